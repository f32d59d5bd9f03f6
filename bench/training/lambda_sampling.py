"""P_λ: which λ each sample of a training batch gets (Sec. 4.1, App. C; ledger rows 2 and 20)."""

import math

import torch
from torch import Tensor

from bench.spec.recipe import Recipe


def sample(recipe: Recipe, n: int, rng: torch.Generator) -> tuple[Tensor, int]:
    """(n,) λ on the CPU, its zeros first, and the number of zeros.

    Images are shuffled, so putting the zeros first changes no distribution; dual BN then splits a batch in one place.
    """
    if recipe.method == "pgd_at":
        return torch.full((n,), recipe.lam), n * (recipe.lam == 0)
    values = torch.tensor(recipe.lambdas, dtype=torch.float32)
    if recipe.protocol.lam_sampling == "fixed-zeros" and values[0] == 0:
        zeros = math.ceil(n / len(values))
        lam = nonzero(recipe, values, n, rng)
        lam[:zeros] = 0
        return lam, zeros
    chosen = torch.randint(len(values), (n,), generator=rng)
    lam = values[chosen]
    if recipe.lam_density != "set":
        lam = torch.where(lam == 0, lam, nonzero(recipe, values, n, rng))
    lam = torch.cat([lam[lam == 0], lam[lam != 0]])
    return lam, int((lam == 0).sum())


def nonzero(recipe: Recipe, values: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """(n,) λ in (0,1]: of the set, or continuous. λ=0 itself would never be drawn from [0,1] and BN_c never trained, so
    it keeps the share that it has in the set (ledger row 20; a set without 0 gives it none)."""
    if recipe.lam_density == "set":
        return values[torch.randint(1, len(values), (n,), generator=rng)]
    uniform = 1 - torch.rand(n, generator=rng)  # in (0,1]
    return uniform if recipe.lam_density == "continuous" else uniform.square()
