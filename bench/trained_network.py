"""Use a trained network: `oat(images, lam)`, with λ, and the width of a slimmable network, chosen at each call.

`bench.load` makes one. On a CPU the C kernels compute it (BENCH_ENGINE).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.damaged_files import Damaged
from bench.engines import engine_for
from bench.engines.precision import use_ieee_fp32
from bench.errors import BadInput
from bench.find_trial import find_trial
from bench.measures.accuracy import to_input
from bench.models import build
from bench.training import checkpoint_selection
from bench.trial_dir import load_recipe
from bench.trial_manifest import tensors, verified_bytes

BATCH = 500  # images computed at once


class TrainedNetwork:
    """A network of a suite with its selected weights.

    lambdas: the λ that it met in training; a PGD-AT network has one, and takes no other. widths: its width factors.
    classes: their number. shape: (C, H, W) of its training images; H and W are None for weights of earlier versions.
    directory: the trial's.
    """

    def __init__(self, directory: Path, device: torch.device | str = "cpu"):
        """Raises BadInput where the directory holds no whole network."""
        try:
            recipe = load_recipe(directory)
            weights = verified_bytes(directory, "weights.safetensors", recipe and recipe.key)
            if recipe is None or weights is None:
                raise BadInput(f"{directory}: holds no trained network yet")
            values = tensors(weights)
            shape = checkpoint_selection.about(directory).get("shape") or (first_layer(values).shape[1], None, None)
            net = build(recipe, shape[0], values["head.weight"].shape[0])
            checkpoint_selection.load(net, directory)
        except (Damaged, ValueError, KeyError) as error:
            raise BadInput(f"{directory}: {str(error).splitlines()[0]}") from None
        use_ieee_fp32()
        self.directory, self.recipe, self.device, self.shape = directory, recipe, torch.device(device), tuple(shape)
        self.lambdas, self.widths = recipe.lambdas or (recipe.lam,), recipe.widths or (1.0,)
        self.classes = net.head.out_features
        self.engine = engine_for(net.to(self.device).eval(), self.device)

    @torch.no_grad()
    def __call__(
        self, images: Tensor | np.ndarray, lam: float | Sequence[float] | Tensor | None = None, width: float = 1.0
    ) -> Tensor:
        """(N, C, H, W) images, uint8 or floats in [0,1] → (N, classes) logits.

        lam: one λ in [0,1], or one for each image; it need not have been met in training. PGD-AT needs none. Raises
        ValueError for images, λ or a width that the network cannot take.
        """
        x, lams = self.checked_images(images), self.checked_lambdas(lam, len(images))
        self.require_width(width)
        parts = []
        for start in range(0, len(x), BATCH):
            part = slice(start, start + BATCH)
            cond = self.engine.condition(lams[part], width=width, training=False)
            parts.append(self.engine.logits(x[part], cond).float().cpu())
        return torch.cat(parts) if parts else torch.empty(0, self.classes)

    def predict(self, images: Tensor | np.ndarray, lam=None, width: float = 1.0) -> Tensor:
        """(N,) classes; arguments as of a call."""
        return self(images, lam, width).argmax(1)

    def require_width(self, width: float) -> None:
        """Raise ValueError for a width that the network lacks."""
        if width not in self.widths:
            raise ValueError(f"width {width:g}: this network has {', '.join(f'{w:g}' for w in self.widths)}")

    def checked_images(self, images: Tensor | np.ndarray) -> Tensor:
        """The images on the device, fp32 in [0,1]."""
        x = torch.as_tensor(images)
        if x.ndim != 4 or any(size not in (None, given) for size, given in zip(self.shape, x.shape[1:], strict=True)):
            expected = ", ".join("any" if size is None else str(size) for size in self.shape)
            raise ValueError(f"images of shape {tuple(x.shape)}: (N, {expected}) is expected")
        if x.dtype == torch.uint8:
            return to_input(x.to(self.device))
        if not x.is_floating_point() or not ((x >= 0) & (x <= 1)).all():
            raise ValueError("images are neither uint8 nor floats in [0,1]")
        return x.to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)

    def checked_lambdas(self, lam, count: int) -> Tensor:
        """(N,) λ on the device."""
        if self.recipe.lam is not None and lam in (None, self.recipe.lam):
            lam = self.recipe.lam
        elif self.recipe.lam is not None:
            raise ValueError(f"λ={lam}: this network was trained for λ={self.recipe.lam:g} alone")
        elif lam is None:
            raise ValueError("choose lam, a number in [0,1], or one for each image")
        lams = torch.as_tensor(lam, dtype=torch.float32, device=self.device)
        if lams.shape not in ((), (count,)) or not ((lams >= 0) & (lams <= 1)).all():
            raise ValueError(f"lam is not a number in [0,1], nor one for each of {count} images")
        return lams.expand(count)


def first_layer(values: dict[str, Tensor]) -> Tensor:
    """The weight of the first convolution, (outputs, channels, k, k): no other has as few channels."""
    return min((value for value in values.values() if value.ndim == 4), key=lambda weight: weight.shape[1])


def load_network(network: str | Path, runs: Path | None = None, device: torch.device | str = "cpu") -> TrainedNetwork:
    """See `bench.load`."""
    directory = Path(network)
    if not (directory / "recipe.json").is_file():
        directory = find_trial(str(network), runs or Path(os.environ.get("BENCH_RUNS", "runs")))
    return TrainedNetwork(directory, device)
