"""Training losses: PGD-AT, Eq. (1) and (2), and OAT, Eq. (3) and Algorithm 1.

An objective yields the terms of (1-λ)·L_c + λ·L_a one by one; the training loop calls backward on each, so that the
graph of the clean pass is freed before the attack begins. `slimmable_loss` sums an objective over widths.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.attacks.pgd import pgd
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.precision import autocast
from bench.spec.recipe import Recipe


@dataclass
class Batch:
    """One training batch on the network's device: x (B, C, H, W) fp32 in [0,1], y (B,), lam (B,) whose `zeros` λ=0
    samples come first, a generator of that device, and the sub-network's width. `correct` collects the training
    accuracy: for `sa` and `ra` a list of (number of correct images, number of images). `rows`: (B,) index of each λ
    among the recipe's `lambdas`, None where others are drawn."""

    x: Tensor
    y: Tensor
    lam: Tensor
    zeros: int
    rng: torch.Generator
    width: float = 1.0
    correct: dict[str, list[tuple[Tensor, int]]] = field(default_factory=lambda: {"sa": [], "ra": []})
    rows: Tensor | None = None

    def rows_of(self, part: slice) -> Tensor | None:
        return None if self.rows is None else self.rows[part]


def oat(engine: Engine, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """OAT: Algorithm 1 with Eq. (3), λ per sample. Clean pass, attack on the samples with λ≠0, adversarial pass: the
    order of the authors' code, which decides which running statistics the attack sees."""
    zeros = len(batch.x) if recipe.protocol.clean_branch == "always-c" else batch.zeros
    clean = cross_entropy(engine, recipe, batch, batch.x, zeros, "sa", slice(None))
    yield ((1 - batch.lam) * clean).sum() / len(batch.x)

    start = 0 if recipe.protocol.attack_lam0 == "make" else batch.zeros
    if start == len(batch.x):
        return
    part = slice(start, None)
    adv = craft(engine, recipe, batch, part)
    adversarial = cross_entropy(engine, recipe, batch, adv, batch.zeros - start, "ra", part)
    yield (batch.lam[part] * adversarial).sum() / len(batch.x)


def pgd_at(engine: Engine, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """PGD-AT: Eq. (1) and (2) with one λ. Attack, adversarial pass, clean pass, in the order of the authors' code.

    At λ=1 the clean images have no weight in the loss, but they still update the BN statistics, as in the authors'
    code.
    """
    if recipe.lam > 0:
        adv = craft(engine, recipe, batch, slice(None))
        yield recipe.lam * cross_entropy(engine, recipe, batch, adv, batch.zeros, "ra", slice(None)).mean()
    with torch.set_grad_enabled(recipe.lam < 1):
        clean = cross_entropy(engine, recipe, batch, batch.x, batch.zeros, "sa", slice(None)).mean()
    if recipe.lam < 1:
        yield (1 - recipe.lam) * clean


def cross_entropy(engine, recipe: Recipe, batch: Batch, x: Tensor, zeros: int, metric: str, part: slice) -> Tensor:
    """(n,) loss of a training-mode pass over x (see `logits`), which counts as training accuracy `metric`."""
    outputs = logits(engine, recipe, batch, x, zeros, part)
    count(batch, outputs, metric, part)
    return F.cross_entropy(outputs, batch.y[part], reduction="none")


def count(batch: Batch, outputs: Tensor, metric: str, part: slice) -> None:
    """Count the correct images of `part` of the batch, from its logits, as training accuracy `metric`."""
    y = batch.y[part]
    batch.correct[metric].append(((outputs.detach().argmax(1) == y).sum(), len(y)))


def logits(engine, recipe: Recipe, batch: Batch, x: Tensor, zeros: int, part: slice) -> Tensor:
    """(n, classes) fp32 logits of a training-mode pass over x, the images of `part` of the batch or adversarial images
    for them. The first `zeros` images go through BN_c."""
    with autocast(recipe.precision, x.device):
        cond = engine.condition(batch.lam[part], zeros, batch.width, rows=batch.rows_of(part))
        return engine.logits(x, cond).float()


def craft(engine: Engine, recipe: Recipe, batch: Batch, part: slice) -> Tensor:
    """Craft adversarial images for `part` of the batch by PGD on the cross-entropy."""
    model = model_under_attack(engine, recipe, batch, part)
    step, steps = recipe.attack_step(), recipe.attack_steps
    return pgd(model, batch.x[part], batch.y[part], recipe.epsilon, step, steps, batch.rng)


def model_under_attack(engine: Engine, recipe: Recipe, batch: Batch, part: slice) -> ConditionedModel:
    """f(·, λ) as the attack on `part` of the batch sees it, each image at its own λ. BN is in eval mode, unless ledger
    row 12 says otherwise."""
    training = recipe.protocol.attack_bn == "train"
    zeros = max(batch.zeros - (part.start or 0), 0)
    cond = engine.condition(batch.lam[part], zeros, batch.width, training=training, rows=batch.rows_of(part))
    return ConditionedModel(engine, cond, recipe.precision)
