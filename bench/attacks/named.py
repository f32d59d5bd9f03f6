"""The attacks by name, and what a measurement may change in them: steps, start, restarts, targets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.attacks.gradient import Logits, Loss, cross_entropy, fgsm, margin, mi_fgsm, pgd
from bench.attacks.square import square
from bench.specs import Measurement


@dataclass(frozen=True)
class Attack:
    """`run` takes (logits, x, y, epsilon, step, steps, rng, start, loss); `steps` and `start` where none are asked.

    `loss` is what it increases where it has no target; `passes` of the network per step, a forward and a backward each
    counted 1."""

    run: Callable[..., Tensor]
    steps: int
    start: str
    loss: Loss = cross_entropy
    passes: int = 2


ATTACKS = {
    "pgd7": Attack(pgd, 7, "uniform"),  # the paper's, in training and evaluation (Sec. 4.1)
    "pgd20": Attack(pgd, 20, "uniform"),  # Fig. 7
    "mifgsm": Attack(mi_fgsm, 10, "image"),
    "fgsm": Attack(fgsm, 1, "image"),
    "square": Attack(square, 1000, "image", loss=margin, passes=1),  # its steps are queries
}


def attack_of(what: Measurement) -> Callable[[Logits, Tensor, Tensor, torch.Generator], Tensor]:
    """The attack that a measurement asks for: (logits, x, y, rng) → x_adv."""
    attack = ATTACKS[what.attack]
    budget = {"epsilon": what.epsilon, "step": what.step, "steps": what.steps or attack.steps}
    budget["start"] = what.start or attack.start

    def once(logits: Logits, x: Tensor, y: Tensor, rng: torch.Generator) -> Iterable[Tensor]:
        if not what.targeted:
            yield attack.run(logits, x, y, rng=rng, loss=attack.loss, **budget)
            return
        for target in wrong_classes(logits, x, y):
            yield attack.run(logits, x, target, rng=rng, loss=away_from, **budget)

    def run(logits: Logits, x: Tensor, y: Tensor, rng: torch.Generator) -> Tensor:
        tries = (adv for i in range(what.restarts) for adv in once(logits, x, y, restarted(rng, i)))
        return next(tries) if what.restarts == 1 and not what.targeted else first_to_fool(logits, x, y, tries)

    return run


def restarted(rng: torch.Generator, restart: int) -> torch.Generator:
    """Restarts draw from generators of their own: the first start of every batch is then the same however many there
    are, and more of them never find less."""
    return torch.Generator(rng.device).manual_seed(rng.initial_seed() + restart) if restart else rng


def away_from(outputs: Tensor, target: Tensor) -> Tensor:
    """(N,) the loss of an attack towards `target`: increasing it makes the target likelier."""
    return -cross_entropy(outputs, target)


@torch.no_grad()
def wrong_classes(logits: Logits, x: Tensor, y: Tensor) -> Tensor:
    """(classes - 1, N) every wrong class of each image, the likeliest first."""
    outputs = logits(x).float().scatter(1, y[:, None], float("inf"))
    return outputs.argsort(dim=1, descending=True)[:, 1:].T


def first_to_fool(logits: Logits, x: Tensor, y: Tensor, tries: Iterable[Tensor]) -> Tensor:
    """For each image the first try that the network gets wrong, or else the first try of all.

    All tries are made on all images, or else the random starts would depend on how the network did.
    """
    found, fooled = None, torch.zeros_like(y, dtype=torch.bool)
    for adv in tries:
        with torch.no_grad():  # around this alone: the next try, which needs gradients, is made within the loop
            wrong = logits(adv).argmax(1) != y
        new = wrong & ~fooled
        found = adv if found is None else torch.where(new[:, None, None, None], adv, found)
        fooled |= wrong
    return found


def effort(what: Measurement, classes: int) -> float:
    """Gradient steps that a measurement spends on each image and λ, at most; a query, a forward pass alone, is half."""
    attack, targets = ATTACKS[what.attack], classes - 1 if what.targeted else 1
    return (what.steps or attack.steps) * what.restarts * targets * attack.passes / 2
