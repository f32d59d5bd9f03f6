"""Standard and robust accuracy (SA, RA) at one λ: counts, and which images were classified correctly."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from bench.attacks.attack_options import attack_of
from bench.data import Images
from bench.engines import Engine
from bench.engines.conditioned_model import model_at
from bench.errors import NotFinite
from bench.measures import correct_bits
from bench.measures.float_method_evaluation import attacked_and_tested
from bench.spec.measurement import Measurement

Result = TypeVar("Result")
BATCH = 256  # images attacked at once: enough to fill a CPU or GPU, little enough for ResNet-34 at 96×96


def accuracy(
    engine: Engine,
    images: Images,
    measurement: Measurement,
    lam: float,
    precision: str = "fp32",
    examples: Tensor | None = None,
) -> dict:
    """Measure clean and attacked accuracy on images that lie on the network's device. `examples`: (n, C, H, W)
    adversarial images in place of those that the measurement's attack makes.

    Returns {"lam", "width", "attack", "n", "clean_correct", "robust_correct", "clean_hits", "robust_hits"}; the hits
    encode which images were classified correctly (correct_bits). The attack's random start depends on the measurement's
    seed and the image alone, and is drawn on the CPU, so that every λ, and every network of the seed, is attacked from
    the same points on every device.
    """
    device = images.images.device
    model = model_at(engine, lam, device, measurement.width, precision=precision)
    attacked, tested = attacked_and_tested(model, lam, device)
    if examples is None:
        attack, rng = attack_of(measurement), torch.Generator().manual_seed(measurement.seed)

        def hits(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            adv = attack(attacked, x, y, rng)
            return correct(model, x, y), correct(tested, adv, y)

        results = by_batch(hits, images, rng)
    else:
        pairs = zip(batches(images), examples.split(BATCH), strict=True)
        results = [(correct(model, x, y), correct(tested, adv, y)) for (x, y), adv in pairs]
    clean, robust = (torch.cat(parts) for parts in zip(*results, strict=True))
    return accuracy_row(measurement, lam, clean, robust)


def accuracy_row(measurement: Measurement, lam: float, clean: Tensor, robust: Tensor) -> dict:
    """The row that `accuracy` returns. clean, robust: (n,) bool, which images are correct, copied to the CPU here."""
    clean, robust = clean.cpu().numpy(), robust.cpu().numpy()
    return {
        "lam": lam,
        "width": measurement.width,
        "attack": measurement.attack_label,
        "n": len(clean),
        "clean_correct": int(clean.sum()),
        "robust_correct": int(robust.sum()),
        "clean_hits": correct_bits.encode(clean),
        "robust_hits": correct_bits.encode(robust),
    }


def by_batch(
    function: Callable[[Tensor, Tensor], Result], images: Images, rng: torch.Generator | None = None
) -> list[Result]:
    """Call function(x, y) for batches of at most BATCH images, x as `to_input` makes it.

    Where a batch does not fit into the GPU's memory, that batch and all later ones have half as many images; `rng`,
    from which the function draws, is set back. The starts of PGD stay those of whole batches; Square and restarts draw
    other ones of the same distribution. Raises OutOfMemoryError where one image does not fit.
    """
    results, start, size = [], 0, BATCH
    while start < len(images.labels):
        x, y = images.slice(start, start + size)
        state = rng and rng.get_state()
        try:
            results.append(function(to_input(x), y))
            start += size
            continue
        except torch.OutOfMemoryError:
            if len(y) == 1:
                raise
        size = -(-len(y) // 2)  # here, where the exception no longer holds the tensors of the pass
        torch.cuda.empty_cache()
        if rng is not None:
            rng.set_state(state)
    return results


def batches(images: Images) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (x, y) of at most BATCH images, x as `to_input` makes it."""
    for pixels, labels in zip(images.images.split(BATCH), images.labels.split(BATCH), strict=True):
        yield to_input(pixels), labels


def to_input(pixels: Tensor) -> Tensor:
    """uint8 → fp32 in [0,1], in the networks' memory format."""
    return pixels.to(torch.float32).div(255).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def correct(model, x: Tensor, y: Tensor) -> Tensor:
    """(N,) bool: which images the model classifies correctly. Raises NotFinite: argmax takes NaN for the largest."""
    logits = model(x)
    finite = logits.isfinite().all(1)
    if not finite.all():
        raise NotFinite(f"the network's outputs are not finite for {int((~finite).sum())} of {len(x)} images")
    return logits.argmax(1) == y
