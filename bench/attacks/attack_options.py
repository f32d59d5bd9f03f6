"""Build the attack of a measurement, with the options that the measurement changes: steps, start, restarts, targets.

An attack is a function of (logits, x, y, epsilon, step, steps, rng, start, loss): see bench/attacks/pgd.py.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from bench.attacks.pgd import Logits, Loss, offset
from bench.spec.measurement import Measurement
from bench.spec.registry import Attack, load, lookup, resolve

Attempt = Callable[[Tensor, Tensor], Tensor]  # robust images (K, C, H, W), their indices in the batch (K,) → x_adv


def attack_of(
    measurement: Measurement, change_loss: Callable[[Loss], Loss] = lambda loss: loss
) -> Callable[[Logits, Tensor, Tensor, torch.Generator], Tensor]:
    """Build the attack of a measurement: (logits, x, y, rng) → x_adv. `change_loss` replaces the attack's loss. Raises
    ValueError for an option that the attack does not take."""
    attack = lookup(Attack, measurement.attack)
    objection = attack.objection(measurement)
    if objection:
        raise ValueError(objection)
    function, loss = resolve(attack), change_loss(load(attack.loss))
    budget = {"epsilon": measurement.epsilon, "step": measurement.step, "steps": measurement.steps or attack.steps}
    start, loss = measurement.start or attack.start, away(loss) if measurement.targeted else loss

    def attempts(logits: Logits, x: Tensor, y: Tensor, rng: torch.Generator) -> Iterator[Attempt]:
        """Yield an attempt per restart and target. Starts are drawn for all images, so that the start of one image does
        not depend on which other images were fooled. (Square draws its squares for the remaining images alone, except
        in the first attempt.)"""
        labels = wrong_classes(logits, x, y) if measurement.targeted else [y]
        for restart_rng in [restarted(rng, i) for i in range(measurement.restarts)]:
            # made before the attempts, which may be skipped: Square draws within an attempt
            attempt_rngs = [restarted(restart_rng, j) for j in range(len(labels))]
            for label, attempt_rng in zip(labels, attempt_rngs, strict=True):
                displacement = offset(x, measurement.epsilon, restart_rng) if start == "uniform" else start

                def attempt(
                    images: Tensor, index: Tensor, rng=attempt_rng, label=label, displacement=displacement
                ) -> Tensor:
                    begin = displacement[index] if torch.is_tensor(displacement) else displacement
                    return function(logits, images, label[index], rng=rng, start=begin, loss=loss, **budget)

                yield attempt

    def run(logits: Logits, x: Tensor, y: Tensor, rng: torch.Generator) -> Tensor:
        if measurement.restarts == 1 and not measurement.targeted:
            return function(logits, x, y, rng=rng, start=start, loss=loss, **budget)
        return first_to_fool(logits, x, y, attempts(logits, x, y, rng))

    return run


def first_to_fool(logits: Logits, x: Tensor, y: Tensor, attempts: Iterable[Attempt]) -> Tensor:
    """Return for each image the adversarial image of the first attempt that fools the network, or else of the first
    attempt. A fooled image is not attacked again. The first attempt attacks all images as they are, so that it does not
    depend on the number of attempts."""
    robust = torch.arange(len(y), device=y.device)
    result = None
    for attempt in attempts:
        if not len(robust):
            continue  # exhaust the iterator: it draws the starts, and the next batch draws after them
        images = x if result is None else x[robust].contiguous(memory_format=torch.channels_last)
        adv = attempt(images, robust)
        with torch.no_grad():
            fooled = logits(adv).argmax(1) != y[robust]
        result = adv.clone() if result is None else result.index_copy_(0, robust[fooled], adv[fooled])
        robust = robust[~fooled]
    return result


def away(loss: Loss) -> Loss:
    """Negate a loss, for an attack towards a target class."""
    return lambda outputs, target: -loss(outputs, target)


def restarted(rng: torch.Generator, restart: int) -> torch.Generator:
    """Return the generator of a restart: `rng` itself for the first, else a new one seeded by a hash of its state.

    An image's starts thus depend on the seed, the restart and the image's place in the test set alone, the first start
    does not depend on the number of restarts, and more restarts never leave more images robust."""
    if restart == 0:
        return rng
    digest = hashlib.sha256(rng.get_state().cpu().numpy().tobytes() + restart.to_bytes(4)).digest()
    return torch.Generator(rng.device).manual_seed(int.from_bytes(digest[:8]) >> 1)


@torch.no_grad()
def wrong_classes(logits: Logits, x: Tensor, y: Tensor) -> Tensor:
    """(classes - 1, N) wrong classes of each image, the likeliest first."""
    outputs = logits(x).float().scatter(1, y[:, None], float("inf"))
    return outputs.argsort(dim=1, descending=True)[:, 1:].T
