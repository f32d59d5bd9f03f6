"""The attacks by name, and what a measurement may change in them: steps, start, restarts, targets."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.attacks import autoattack as auto
from bench.attacks.gradient import Logits, Loss, cross_entropy, fgsm, margin, mi_fgsm, offset, pgd
from bench.attacks.square import square
from bench.specs import Measurement

CHANGES = {"steps": None, "start": None, "restarts": 1, "targeted": False}  # what a measurement may change; unchanged
Try = Callable[[Tensor, Tensor], Tensor]  # the images still robust (K, C, H, W), their places in the batch (K,) → x_adv


@dataclass(frozen=True)
class Attack:
    """`run` takes (logits, x, y, epsilon, step, steps, rng, start, loss); `steps` and `start` where none are asked.

    `loss` is what it increases where it has no target; `passes` of the network per step, a forward and a backward each
    counted 1. fixed: the fields of CHANGES that mean nothing to it, and are refused. effort: classes → gradient steps
    of an image, where that is not `steps`. lacking: what hinders it on this machine, in one line. package: whose work
    it is.
    """

    run: Callable[..., Tensor]
    steps: int
    start: str
    loss: Loss = cross_entropy
    passes: int = 2
    fixed: tuple[str, ...] = ()
    effort: Callable[[int], int] | None = None
    lacking: Callable[[], str | None] = lambda: None
    package: Callable[[], str] | None = None


ATTACKS = {
    "pgd7": Attack(pgd, 7, "uniform"),  # the paper's, in training and evaluation (Sec. 4.1)
    "pgd20": Attack(pgd, 20, "uniform"),  # Fig. 7
    "mifgsm": Attack(mi_fgsm, 10, "image"),
    "fgsm": Attack(fgsm, 1, "image", fixed=("steps",)),
    "square": Attack(square, 1000, "image", loss=margin, passes=1, fixed=("start",)),  # its steps are queries
    "pgd50": Attack(pgd, 50, "uniform"),  # docs/attacks.md has these three
    "cw50": Attack(pgd, 50, "uniform", loss=margin),
    "autoattack": Attack(
        *(auto.autoattack, auto.STEPS, "uniform"),
        fixed=tuple(CHANGES),
        effort=auto.effort,
        lacking=auto.lacking,
        package=auto.package,
    ),
}


def objection(name: str, asked) -> str | None:
    """What is wrong with the changes that `asked`, a measurement or a suite's, makes in an attack, in one line."""
    changed = [field for field, own in CHANGES.items() if field in ATTACKS[name].fixed and getattr(asked, field) != own]
    return f"{name} takes no {' and no '.join(changed)}: leave that out" if changed else None


def credit(what: Measurement) -> dict[str, str]:
    """{"package": …} where an attack is another package's work, for the measurement's rows."""
    own = ATTACKS[what.attack].package
    return {"package": own()} if own else {}


def attack_of(what: Measurement) -> Callable[[Logits, Tensor, Tensor, torch.Generator], Tensor]:
    """The attack that a measurement asks for: (logits, x, y, rng) → x_adv. ValueError where it knows no such change."""
    attack, wrong = ATTACKS[what.attack], objection(what.attack, what)
    if wrong:
        raise ValueError(wrong)
    budget = {"epsilon": what.epsilon, "step": what.step, "steps": what.steps or attack.steps}
    start, loss = what.start or attack.start, away(attack.loss) if what.targeted else attack.loss

    def tries(logits: Logits, x: Tensor, y: Tensor, rng: torch.Generator) -> Iterator[Try]:
        """Starts are drawn for all images, so that none depends on how the network did on another image. (Square's
        squares, after the first try, are of the images that are left.)"""
        towards = wrong_classes(logits, x, y) if what.targeted else [y]
        for draws in [restarted(rng, i) for i in range(what.restarts)]:
            own = [restarted(draws, j) for j in range(len(towards))]  # Square draws within a try that may not be made
            for aim, within in zip(towards, own, strict=True):
                begin = offset(x, what.epsilon, draws) if start == "uniform" else start

                def once(part: Tensor, left: Tensor, within=within, aim=aim, begin=begin) -> Tensor:
                    where = begin[left] if torch.is_tensor(begin) else begin
                    return attack.run(logits, part, aim[left], rng=within, start=where, loss=loss, **budget)

                yield once

    def run(logits: Logits, x: Tensor, y: Tensor, rng: torch.Generator) -> Tensor:
        if what.restarts == 1 and not what.targeted:
            return attack.run(logits, x, y, rng=rng, start=start, loss=loss, **budget)
        return first_to_fool(logits, x, y, tries(logits, x, y, rng))

    return run


def first_to_fool(logits: Logits, x: Tensor, y: Tensor, tries: Iterable[Try]) -> Tensor:
    """For each image the first try that the network gets wrong, or else the first of all. An image that has fallen is
    not attacked again; the first try is of all images as they come, so that it is the same however many follow."""
    left = torch.arange(len(y), device=y.device)
    found = None
    for attempt in tries:
        if not len(left):
            continue  # the next batch starts where it would have started
        part = x if found is None else x[left].contiguous(memory_format=torch.channels_last)
        adv = attempt(part, left)
        with torch.no_grad():
            fooled = logits(adv).argmax(1) != y[left]
        found = adv.clone() if found is None else found.index_copy_(0, left[fooled], adv[fooled])
        left = left[~fooled]
    return found


def away(loss: Loss) -> Loss:
    """The loss of an attack towards a target: increasing it makes the target likelier."""
    return lambda outputs, target: -loss(outputs, target)


def restarted(rng: torch.Generator, restart: int) -> torch.Generator:
    """The first start comes from `rng` itself; each later one from a generator of its own, seeded by the state that
    `rng` has before a batch. So the starts of an image depend on the seed, the restart and its place in the test set;
    the first is the same however many there are, and more of them never find less."""
    if restart == 0:
        return rng
    digest = hashlib.sha256(rng.get_state().cpu().numpy().tobytes() + restart.to_bytes(4)).digest()
    return torch.Generator(rng.device).manual_seed(int.from_bytes(digest[:8]) >> 1)


@torch.no_grad()
def wrong_classes(logits: Logits, x: Tensor, y: Tensor) -> Tensor:
    """(classes - 1, N) every wrong class of each image, the likeliest first."""
    outputs = logits(x).float().scatter(1, y[:, None], float("inf"))
    return outputs.argsort(dim=1, descending=True)[:, 1:].T


def effort(what: Measurement, classes: int) -> float:
    """Gradient steps that a measurement spends on each image and λ at most: an image that has fallen is let alone, and
    a query, a forward pass alone, is half."""
    attack, targets = ATTACKS[what.attack], classes - 1 if what.targeted else 1
    steps = attack.effort(classes) if attack.effort else what.steps or attack.steps
    return steps * what.restarts * targets * attack.passes / 2
