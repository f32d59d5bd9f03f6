"""The attack that a measurement asks for, with all that it changes: steps, start, restarts, targets.

An attack's function takes (logits, x, y, epsilon, step, steps, rng, start, loss), see `gradient`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from bench.attacks.pgd import Logits, Loss, offset
from bench.spec.measurement import Measurement
from bench.spec.registry import Attack, load, lookup, resolve

Try = Callable[[Tensor, Tensor], Tensor]  # the images still robust (K, C, H, W), their places in the batch (K,) → x_adv


def attack_of(what: Measurement) -> Callable[[Logits, Tensor, Tensor, torch.Generator], Tensor]:
    """The attack that a measurement asks for: (logits, x, y, rng) → x_adv. ValueError where it knows no such change."""
    attack = lookup(Attack, what.attack)
    objection = attack.objection(what)
    if objection:
        raise ValueError(objection)
    function, loss = resolve(attack), load(attack.loss)
    budget = {"epsilon": what.epsilon, "step": what.step, "steps": what.steps or attack.steps}
    start, loss = what.start or attack.start, away(loss) if what.targeted else loss

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
                    return function(logits, part, aim[left], rng=within, start=where, loss=loss, **budget)

                yield once

    def run(logits: Logits, x: Tensor, y: Tensor, rng: torch.Generator) -> Tensor:
        if what.restarts == 1 and not what.targeted:
            return function(logits, x, y, rng=rng, start=start, loss=loss, **budget)
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
