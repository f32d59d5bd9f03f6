"""Fig. 10–12: Jacobian saliency ∇x CE of chosen test images, and how well gradients align with images (Sec. 4.5)."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.atomic_write import write_tensors
from bench.attacks.pgd import gradient
from bench.data import Images
from bench.measures.accuracy import BATCH
from bench.models.network import ConditionalNetwork
from bench.spec.measurement import Measurement


def saliency(net: ConditionalNetwork, part: Images, what: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per λ: {"lam", "width", "n", "alignment" (mean over the n images), "alignment_sd", "file"}.

    The file in `directory` holds the chosen `images` (K, C, H, W) uint8, `labels` and `index` (K,), and for each λ
    `map/<λ>` (K, C, H, W), ∇x of the cross-entropy, and `alignment/<λ>` (n,) of every image. Indices beyond the test
    images are left out.
    """
    device, name = part.images.device, f"saliency-{what.key}.safetensors"
    index = torch.tensor([i for i in what.images if i < len(part.labels)], dtype=torch.int64)
    chosen, labels = part.images[index.to(device)], part.labels[index.to(device)]
    tensors = {"images": chosen, "labels": labels, "index": index}
    rows = []
    for lam in what.lambdas:
        cond = net.condition(torch.full((1,), lam, device=device), width=what.width)

        def logits(x: Tensor, cond=cond) -> Tensor:
            return net(x, cond)

        tensors[f"map/{lam:g}"] = gradient(logits, unit(chosen), labels, by_cross_entropy)
        scores = torch.cat([alignment(logits, unit(x)) for x in part.images.split(BATCH)])
        tensors[f"alignment/{lam:g}"] = scores
        row = {"lam": lam, "width": what.width, "n": len(scores), "file": name}
        rows.append(
            row | {"alignment": scores.mean().item(), "alignment_sd": scores.std().item() if len(scores) > 1 else 0.0}
        )
    write_tensors(directory / name, {key: value.cpu().contiguous() for key, value in tensors.items()})
    yield from rows  # after the file that they name is there


def unit(images: Tensor) -> Tensor:
    """uint8 → fp32 in [0,1], in the networks' memory format."""
    return images.to(torch.float32).div(255).contiguous(memory_format=torch.channels_last)


def by_cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(outputs, y, reduction="none")


def alignment(logits, x: Tensor) -> Tensor:
    """(N,) |⟨x, g⟩| / ‖g‖ with g the gradient of the winning logit: Definition 3 of Etmann et al., ICML 2019, which is
    the paper's [46]. 0 where g vanishes."""
    g = gradient(logits, x, None, lambda outputs, _: outputs.max(dim=1).values)
    g = g.flatten(1)
    return (x.flatten(1) * g).sum(1).abs() / g.norm(dim=1).clamp(min=1e-12)
