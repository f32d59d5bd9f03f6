"""OAT with the loss of MMA training (Ding et al., ICLR 2020; the paper's [24]). Sec. 3.1 calls OAT compatible with it.

MMA maximises each image's margin, its distance to the decision boundary, up to d_max. Its loss of an image is

    CE(f(x), y)        where f errs on x,
    CE(f(x + δ*), y)   where f is right and the margin |δ*| is below d_max; x + δ* lies on the decision boundary,
    0                  beyond d_max.

Here this loss is L_a of Eq. (3), λ per sample: (1-λ)·CE(f(x, λ), y) + λ·MMA. λ=0 is standard training, and λ=2/3 weighs
the two terms as MMA's own objective does. d_max is the recipe's `max_margin` in units of ε; 4 is 32/255 at ε=8/255, the
largest of the three in MMA's experiments.

δ* is found as by MMA's AN-PGD: PGD on the soft logit margin gives a direction, and bisection finds the boundary along
it. The radius of AN-PGD's PGD is each image's margin in the previous epoch; here it is ε in every epoch, so that an
epoch can be resumed from the network alone.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.attacks.pgd import Logits, pgd
from bench.engines import Engine
from bench.spec.costs import MMA_SEARCH_STEPS as SEARCH_STEPS
from bench.spec.recipe import Recipe
from bench.training.objectives import Batch, count, cross_entropy, logits, model_under_attack

SEARCHED = 1.05  # the bisection searches up to this multiple of d_max, to tell margins beyond d_max from those below


def oat_mma(engine: Engine, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """Yield the clean and the MMA term: clean pass, attack on the samples with λ≠0, their pass, as `objectives.oat`.

    The passes go through the branches of dual BN as OAT's do. f is right on x where the soft logit margin of the clean
    pass is negative. The training accuracy `ra` is that on the images of the MMA term, most of them on the boundary.
    """
    whole, zeros = slice(None), len(batch.x) if recipe.protocol.clean_branch == "always-c" else batch.zeros
    outputs = logits(engine, recipe, batch, batch.x, zeros, whole)
    count(batch, outputs, "sa", whole)
    right = soft_margin(outputs.detach(), batch.y) < 0
    yield ((1 - batch.lam) * F.cross_entropy(outputs, batch.y, reduction="none")).sum() / len(batch.x)

    start = 0 if recipe.protocol.attack_lam0 == "make" else batch.zeros
    if start == len(batch.x):
        return
    part = slice(start, None)
    boundary, margin = nearest_boundary(engine, recipe, batch, part)
    images = torch.where(right[part, None, None, None], boundary, batch.x[part])
    loss = cross_entropy(engine, recipe, batch, images, batch.zeros - start, "ra", part)
    trained = ~right[part] | (margin < recipe.max_margin * recipe.epsilon)
    yield (batch.lam[part] * trained * loss).sum() / len(batch.x)


def soft_margin(outputs: Tensor, y: Tensor) -> Tensor:
    """(N,) logsumexp of the wrong logits minus the right one: MMA's soft logit margin loss, negative only where the
    network is right."""
    wrong = outputs.scatter(1, y[:, None], -torch.inf).logsumexp(dim=1)
    return wrong - outputs.gather(1, y[:, None])[:, 0]


def nearest_boundary(engine: Engine, recipe: Recipe, batch: Batch, part: slice) -> tuple[Tensor, Tensor]:
    """x + δ*, clamped to [0,1], for `part` of the batch, and (n,) |δ*|_∞ before the clamp. BN as in `craft`."""
    model, x, y = model_under_attack(engine, recipe, batch, part), batch.x[part], batch.y[part]
    size = recipe.epsilon, recipe.attack_step(), recipe.attack_steps
    direction = (pgd(model, x, y, *size, batch.rng, loss=soft_margin) - x) / recipe.epsilon
    margin = bisect(model, x, y, direction, SEARCHED * recipe.max_margin * recipe.epsilon)
    return moved(x, direction, margin), margin


@torch.no_grad()
def bisect(model: Logits, x: Tensor, y: Tensor, direction: Tensor, longest: float) -> Tensor:
    """(N,) distance along `direction` at which the soft logit margin changes sign, nearly `longest` if it does not."""
    low, high = x.new_zeros(len(x)), x.new_full((len(x),), longest)
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        crossed = soft_margin(model(moved(x, direction, middle)).float(), y) >= 0
        low, high = torch.where(crossed, low, middle), torch.where(crossed, middle, high)
    return (low + high) / 2


def moved(x: Tensor, direction: Tensor, distance: Tensor) -> Tensor:
    return (x + distance[:, None, None, None] * direction).clamp(0, 1)
