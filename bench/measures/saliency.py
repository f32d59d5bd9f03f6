"""Saliency maps ∇x CE of chosen test images (Fig. 10–12), and how well gradients align with images (Sec. 4.5)."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bench import trial_manifest
from bench.attacks.pgd import cross_entropy, gradient
from bench.data import Images
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel, model_at
from bench.measures.accuracy import by_batch, to_input
from bench.spec.measurement import Measurement


def saliency(engine: Engine, images: Images, measurement: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per λ: {"lam", "width", "n", "alignment" (mean over the n images), "alignment_sd", "file"}.

    The file in `directory` holds the chosen `images` (K, C, H, W) uint8, `labels` and `index` (K,), and for each λ
    `map/<λ>` (K, C, H, W), ∇x of the cross-entropy, and `alignment/<λ>` (n,) of every image. Chosen indices beyond the
    test images are left out.
    """
    device, name = images.images.device, f"saliency-{measurement.key}.safetensors"
    index = torch.tensor([i for i in measurement.images if i < len(images.labels)], dtype=torch.int64)
    pixels, labels = images.images[index.to(device)], images.labels[index.to(device)]
    tensors, rows = {"images": pixels, "labels": labels, "index": index}, []
    for lam in measurement.lambdas:
        model = model_at(engine, lam, device, measurement.width)
        tensors[f"map/{lam:g}"] = gradient(model, to_input(pixels), labels, cross_entropy)
        scores = torch.cat(by_batch(lambda x, _, model=model: alignment(model, x), images))
        tensors[f"alignment/{lam:g}"] = scores
        row = {"lam": lam, "width": measurement.width, "n": len(scores), "file": name}
        deviation = scores.std().item() if len(scores) > 1 else 0.0
        rows.append(row | {"alignment": scores.mean().item(), "alignment_sd": deviation})
    tensors = {key: value.cpu().contiguous() for key, value in tensors.items()}
    trial_manifest.write_tensors(directory, name, tensors, engine.net.recipe.key)
    yield from rows  # once the file that the rows name exists


def alignment(model: ConditionedModel, x: Tensor) -> Tensor:
    """(N,) |⟨x, g⟩| / ‖g‖ with g the gradient of the largest logit: Definition 3 of Etmann et al., ICML 2019, the
    paper's [46]. 0 where g vanishes."""
    g = gradient(model, x, None, lambda outputs, _: outputs.max(dim=1).values)
    g = g.flatten(1)
    return (x.flatten(1) * g).sum(1).abs() / g.norm(dim=1).clamp(min=1e-12)
