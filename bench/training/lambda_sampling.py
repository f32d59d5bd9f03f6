"""P_λ: which λ each sample of a training batch gets (Sec. 4.1, App. C; ledger rows 2 and 20)."""

import math

import torch
from torch import Tensor

from bench.spec.recipe import Recipe


def sample_epoch(recipe: Recipe, steps: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None, list[int]]:
    """Draw the λ of all batches of an epoch on the CPU (see `sample`), so that they are copied to a GPU once.

    Returns (steps, batch) λ; their indices among the recipe's `lambdas`, or None where λ is not drawn from these; and
    the number of zeros of each batch.
    """
    batches, zeros = zip(*(sample(recipe, recipe.batch, rng) for _ in range(steps)), strict=True)
    lam, rows = torch.stack(batches), None
    if recipe.lambdas and recipe.lam_density == "set":
        rows = torch.searchsorted(torch.tensor(recipe.lambdas, dtype=lam.dtype), lam)
    return lam, rows, list(zeros)


def sample(recipe: Recipe, n: int, rng: torch.Generator) -> tuple[Tensor, int]:
    """Draw (n,) λ on the CPU, zeros first, and count the zeros.

    Images are shuffled, so zeros first changes no distribution, and dual BN splits a batch in one place.
    """
    if recipe.method == "pgd_at":
        return torch.full((n,), recipe.lam), n * (recipe.lam == 0)
    values = torch.tensor(recipe.lambdas, dtype=torch.float32)
    if recipe.protocol.lam_sampling == "fixed-zeros" and values[0] == 0:
        zeros = math.ceil(n / len(values))
        lam = nonzero(recipe, values, n, rng)
        lam[:zeros] = 0
        return lam, zeros
    lam = values[torch.randint(len(values), (n,), generator=rng)]
    if recipe.lam_density != "set":
        lam = torch.where(lam == 0, lam, nonzero(recipe, values, n, rng))
    lam = torch.cat([lam[lam == 0], lam[lam != 0]])
    return lam, int((lam == 0).sum())


def nonzero(recipe: Recipe, values: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Draw (n,) λ in (0, 1], from the set or continuous.

    A continuous density never draws λ=0, so BN_c would never be trained; λ=0 therefore keeps its share of the set
    (ledger row 20), none where the set has no 0."""
    if recipe.lam_density == "set":
        return values[torch.randint(1, len(values), (n,), generator=rng)]
    uniform = 1 - torch.rand(n, generator=rng)  # in (0,1]
    return uniform if recipe.lam_density == "continuous" else uniform.square()
