"""Attacks that know that the network is conditional: crafted at another λ′, or through dual BN's other branch.

The paper's attacker uses the λ that the defender has set. One who may choose can be stronger: if gradients at one λ
hide what gradients at another show, the dial is itself a hole.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bench.attacks.from_measurement import attack_of
from bench.data import Images
from bench.measures.accuracy import BATCH
from bench.measures.saliency import unit
from bench.models.network import ConditionalNetwork
from bench.spec.measurement import Measurement


def transfer(net: ConditionalNetwork, part: Images, what: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per λ at which the network is asked: {"lam", "width", "attack", "n", "clean_correct", "crafted_at"
    (every λ′ of the measurement), "robust_correct" (for each λ′, of the images attacked there), "worst_correct" (right
    on all of them)}; with dual BN also "other_branch_correct" (crafted at this λ, BN_c and BN_a exchanged) and
    "worst_with_branch_correct".

    Whoever tries every λ′ tries several times, which finds more by itself. So also "same_tries_correct", as many starts
    at λ alone; and "only_lambda", images fooled from some λ′ but by none of these, and "only_starts", the reverse.

    Every first attack has the random starts of `accuracy`, so at λ′ = λ the count is that measurement's. Raises
    ValueError for a network of one λ.
    """
    if not net.conditional:
        raise ValueError("transfer asks for examples of other λ: PGD-AT has one; leave the network out")
    grid, dual = what.lambdas, net.recipe.norm == "dual"
    crafted = [robust(net, part, what, lam, None, grid) for lam in grid]  # [λ′][λ] → (n,)
    swapped = [robust(net, part, what, lam, "a" if lam == 0 else "c", [lam])[0] for lam in grid] if dual else []
    for at, lam in enumerate(grid):
        withstood = torch.stack([by_lam[at] for by_lam in crafted])
        row = {"lam": lam, "width": what.width, "attack": what.attack_label, "n": len(part.labels)}
        row |= {"clean_correct": int(right(net, part, what, lam).sum()), "crafted_at": list(grid)}
        worst, started = withstood.all(0), again(net, part, what, lam, withstood[at])
        row |= {"robust_correct": withstood.sum(1).tolist(), "worst_correct": int(worst.sum())}
        row |= {"same_tries_correct": int(started.sum())}
        row |= {"only_lambda": int((started & ~worst).sum()), "only_starts": int((worst & ~started).sum())}
        if dual:
            row["other_branch_correct"] = int(swapped[at].sum())
            row["worst_with_branch_correct"] = int((worst & swapped[at]).sum())
        yield row


def robust(net, part: Images, what: Measurement, lam: float, branch: str | None, grid) -> list[Tensor]:
    """For each λ of `grid`, (n,) bool: the network is right there on the images attacked at `lam` through `branch`."""
    device = part.images.device
    attack, rng = attack_of(what), torch.Generator(device).manual_seed(what.seed)
    white_box, targets = condition(net, what, lam, branch), [condition(net, what, at) for at in grid]
    found: list[list[Tensor]] = [[] for _ in grid]
    for x, y in batches(part):
        adv = attack(partial(net, lam=white_box), x, y, rng)
        for hits, cond in zip(found, targets, strict=True):
            hits.append(correct(net, cond, adv, y))
    return [torch.cat(hits) for hits in found]


def again(net, part: Images, what: Measurement, lam: float, alive: Tensor) -> Tensor:
    """(n,) bool: those of `alive` that withstand further starts at their own λ, as many as there are other λ′."""
    attack, cond, alive = attack_of(what), condition(net, what, lam), alive.clone()
    for start in range(1, len(what.lambdas)):
        rng = torch.Generator(alive.device).manual_seed(what.seed + start)
        for index in alive.nonzero()[:, 0].split(BATCH):
            x, y = unit(part.images[index]), part.labels[index]
            alive[index] = correct(net, cond, attack(partial(net, lam=cond), x, y, rng), y)
    return alive


def right(net, part: Images, what: Measurement, lam: float) -> Tensor:
    """(n,) bool: right on the clean image."""
    cond = condition(net, what, lam)
    return torch.cat([correct(net, cond, x, y) for x, y in batches(part)])


def condition(net, what: Measurement, lam: float, branch: str | None = None):
    """One row, broadcast over each batch."""
    return net.condition(torch.full((1,), lam, device=net.head.weight.device), width=what.width, branch=branch)


def batches(part: Images) -> Iterator[tuple[Tensor, Tensor]]:
    for images, labels in zip(part.images.split(BATCH), part.labels.split(BATCH), strict=True):
        yield unit(images), labels


@torch.no_grad()
def correct(net, cond, x: Tensor, y: Tensor) -> Tensor:
    return net(x, cond).argmax(1) == y
