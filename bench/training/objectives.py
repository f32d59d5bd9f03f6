"""The training losses. An objective yields the terms of (1-λ)·L_c + λ·L_a one by one; the loop calls backward on each,
so that the graph of the clean pass is freed before the attack begins. For a slimmable network the loop asks for the
terms of every width in turn, which is Algorithm 2: gradients add up, and each width is attacked by itself.

A new method is a function and its name in OBJECTIVES (docs/extending.md; bench/training/trades.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.attacks.pgd import pgd
from bench.engines.conditioned import Conditioned
from bench.engines.precision import autocast
from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe


@dataclass
class Batch:
    """x (B, C, H, W) fp32 in [0,1], y (B,), lam (B,) with its `zeros` zeros first, all on the network's device; rng of
    that device; `width` the sub-network's; `correct` collects the training accuracy as (hits, images) for `sa` and
    `ra`."""

    x: Tensor
    y: Tensor
    lam: Tensor
    zeros: int
    rng: torch.Generator
    width: float = 1.0
    correct: dict[str, list[tuple[Tensor, int]]] = field(default_factory=lambda: {"sa": [], "ra": []})


def oat(net: ConditionalNetwork, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """Algorithm 1 with Eq. (3), λ per sample. Clean pass, attack on the samples with λ≠0, adversarial pass: the order
    of the authors' code, which decides on which running statistics the attack is made."""
    zeros = len(batch.x) if recipe.protocol.clean_branch == "always-c" else batch.zeros
    clean = cross_entropy(net, recipe, batch, batch.x, zeros, "sa", slice(None))
    yield ((1 - batch.lam) * clean).sum() / len(batch.x)

    start = 0 if recipe.protocol.attack_lam0 == "make" else batch.zeros
    if start == len(batch.x):
        return
    part = slice(start, None)
    adv = craft(net, recipe, batch, part)
    adversarial = cross_entropy(net, recipe, batch, adv, batch.zeros - start, "ra", part)
    yield (batch.lam[part] * adversarial).sum() / len(batch.x)


def pgd_at(net: ConditionalNetwork, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """PGD-AT(λ), Eq. (1) and (2) with one λ: attack, adversarial pass, clean pass, in the order of the authors' code.

    At λ=1 the clean images have no weight in the loss, but they still enter the batch-norm statistics, as in that code.
    """
    if recipe.lam > 0:
        adv = craft(net, recipe, batch, slice(None))
        yield recipe.lam * cross_entropy(net, recipe, batch, adv, batch.zeros, "ra", slice(None)).mean()
    with torch.set_grad_enabled(recipe.lam < 1):
        clean = cross_entropy(net, recipe, batch, batch.x, batch.zeros, "sa", slice(None)).mean()
    if recipe.lam < 1:
        yield (1 - recipe.lam) * clean


OBJECTIVES = {"oat": oat, "pgd_at": pgd_at}


def cross_entropy(net, recipe: Recipe, batch: Batch, x: Tensor, zeros: int, metric: str, part: slice) -> Tensor:
    """(n,) loss of a training-mode pass over x, see `logits`; its hits count as training accuracy `metric`."""
    outputs = logits(net, recipe, batch, x, zeros, part)
    count(batch, outputs, metric, part)
    return F.cross_entropy(outputs, batch.y[part], reduction="none")


def count(batch: Batch, outputs: Tensor, metric: str, part: slice) -> None:
    """The hits of `part` of the batch, from its logits, go into the training accuracy `metric`."""
    y = batch.y[part]
    batch.correct[metric].append(((outputs.detach().argmax(1) == y).sum(), len(y)))


def logits(net, recipe: Recipe, batch: Batch, x: Tensor, zeros: int, part: slice) -> Tensor:
    """(n, classes) fp32 logits of a pass over x, which stands for `part` of the batch; its first `zeros` images go
    through BN_c."""
    with autocast(recipe.precision, x.device):
        return net(x, net.condition(batch.lam[part], zeros, batch.width)).float()


def craft(net: ConditionalNetwork, recipe: Recipe, batch: Batch, part: slice) -> Tensor:
    """Adversarial images for `part` of the batch."""
    x, y = batch.x[part], batch.y[part]
    conditioned = under_attack(net, recipe, batch, part)
    return pgd(conditioned, x, y, recipe.epsilon, recipe.attack_step(), recipe.attack_steps, batch.rng)


def under_attack(net: ConditionalNetwork, recipe: Recipe, batch: Batch, part: slice) -> Conditioned:
    """Images (n, C, H, W) → logits for the attacks on `part` of the batch, each image at its own λ; BN in eval mode
    unless ledger row 12 says otherwise."""
    training = recipe.protocol.attack_bn == "train"
    return Conditioned(net, net.condition(batch.lam[part], width=batch.width, training=training), recipe.precision)
