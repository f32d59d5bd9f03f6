"""P_λ: which λ each sample of a training batch gets (Sec. 4.1; ledger row 2)."""

import math

import torch
from torch import Tensor

from bench.specs import Recipe


def sample(recipe: Recipe, n: int, rng: torch.Generator) -> tuple[Tensor, int]:
    """(n,) λ on the CPU, its zeros first, and the number of zeros.

    Images are shuffled, so putting the zeros first changes no distribution; dual BN then splits a batch in one place.
    """
    if recipe.method == "pgd_at":
        return torch.full((n,), recipe.lam), n * (recipe.lam == 0)
    values = torch.tensor(recipe.lambdas, dtype=torch.float32)
    if recipe.protocol.lam_sampling == "fixed-zeros" and values[0] == 0:
        zeros = math.ceil(n / len(values))
        lam = values[torch.randint(1, len(values), (n,), generator=rng)]
        lam[:zeros] = 0
        return lam, zeros
    lam = values[torch.randint(len(values), (n,), generator=rng)]
    lam = torch.cat([lam[lam == 0], lam[lam != 0]])
    return lam, int((lam == 0).sum())
