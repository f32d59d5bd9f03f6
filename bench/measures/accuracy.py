"""Standard and robust accuracy (SA, RA) at one λ: counts, and which images were classified correctly."""

from collections.abc import Iterator

import torch
from torch import Tensor

from bench.attacks.attack_options import attack_of
from bench.data import Images
from bench.engines import Engine
from bench.engines.conditioned_model import model_at
from bench.errors import NotFinite
from bench.measures import correct_bits
from bench.spec.measurement import Measurement

BATCH = 256  # images attacked at once: enough to fill a CPU or GPU, little enough for ResNet-34 at 96×96


def accuracy(engine: Engine, images: Images, measurement: Measurement, lam: float, precision: str = "fp32") -> dict:
    """Measure clean and attacked accuracy on images that lie on the network's device.

    Returns {"lam", "width", "attack", "n", "clean_correct", "robust_correct", "clean_hits", "robust_hits"}; the hits
    encode which images were classified correctly (correct_bits). The attack's random start depends on the measurement's
    seed and the image alone, so that every λ, and every network of the seed, is attacked from the same points.
    """
    device = images.images.device
    attack, rng = attack_of(measurement), torch.Generator(device).manual_seed(measurement.seed)
    model = model_at(engine, lam, device, measurement.width, precision=precision)
    clean, robust = [], []  # (batch,) bool each; copied from the device once, at the end
    for x, y in batches(images):
        adv = attack(model, x, y, rng)
        clean.append(correct(model, x, y))
        robust.append(correct(model, adv, y))
    clean, robust = (torch.cat(parts).cpu().numpy() for parts in (clean, robust))
    return {
        "lam": lam,
        "width": measurement.width,
        "attack": measurement.attack_label,
        "n": len(images.labels),
        "clean_correct": int(clean.sum()),
        "robust_correct": int(robust.sum()),
        "clean_hits": correct_bits.encode(clean),
        "robust_hits": correct_bits.encode(robust),
    }


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
