"""SA and RA: counts, from which intervals are drawn, and images, by which networks are compared in pairs."""

import torch

from bench.attacks.from_measurement import attack_of
from bench.data import Images
from bench.engines.conditioned import Conditioned
from bench.measures import correct_bits
from bench.models.network import ConditionalNetwork
from bench.spec.measurement import Measurement

BATCH = 256  # images attacked at once: enough to fill a CPU or GPU, little enough for ResNet-34 at 96×96


def accuracy(net: ConditionalNetwork, part: Images, what: Measurement, lam: float, precision: str = "fp32") -> dict:
    """Clean and attacked accuracy of `net` at one λ and width on `part` (already on the network's device).

    Returns {"lam", "width", "attack", "n", "clean_correct", "robust_correct", "clean_hits", "robust_hits"}; hits say
    which images were right, see correct_bits. The attack's random start depends on the measurement's seed and the image
    alone, so that every network and λ is attacked from the same points.
    """
    net.eval()
    device = part.images.device
    attack, rng = attack_of(what), torch.Generator(device).manual_seed(what.seed)
    clean, robust = [], []  # (batch,) booleans each; they leave the device once, at the end
    cond = net.condition(torch.full((1,), lam, device=device), width=what.width)  # one row, broadcast over each batch
    logits = Conditioned(net, cond, precision)
    for x, y in zip(part.images.split(BATCH), part.labels.split(BATCH), strict=True):
        x = x.to(torch.float32).div(255).contiguous(memory_format=torch.channels_last)
        adv = attack(logits, x, y, rng)
        with torch.no_grad():
            clean.append(logits(x).argmax(1) == y)
            robust.append(logits(adv).argmax(1) == y)
    clean, robust = (torch.cat(right).cpu().numpy() for right in (clean, robust))
    return {
        "lam": lam,
        "width": what.width,
        "attack": what.attack_label,
        "n": len(part.labels),
        "clean_correct": int(clean.sum()),
        "robust_correct": int(robust.sum()),
        "clean_hits": correct_bits.encode(clean),
        "robust_hits": correct_bits.encode(robust),
    }
