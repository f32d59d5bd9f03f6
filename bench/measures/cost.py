"""Cost of a forward pass (Sec. 4.3): multiply–accumulates, parameters, and time."""

import functools
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.data import Images
from bench.engines import Engine
from bench.engines.threads import one_thread
from bench.models import build
from bench.models.film import FiLM
from bench.spec.architectures import layers_only
from bench.spec.costs import training_passes
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.registry import NORMS

TIMED_BATCH, TIMINGS = 64, 15


@dataclass(frozen=True)
class Cost:
    """Cost of one forward pass of one image: multiply–accumulates of convolutions and linear layers, the number of
    parameters in use, and that of the values that convolutions compute."""

    macs: int
    film_macs: int
    parameters: int
    activations: int


def cost(recipe: Recipe, shape: tuple[int, int, int], classes: int, width: float = 1.0) -> Cost:
    """Count the cost on images of `shape` (C, H, W). `macs` includes `film_macs`, those of the FiLM MLPs. At a width of
    a slimmable network only the sub-network counts: its slices of the weights, and its own BNs."""
    return _cost(layers_only(recipe), shape, classes, width)


def parameter_count(recipe: Recipe, channels: int, classes: int) -> int:
    """Count the parameters without making any, so also those of a network that no machine can hold."""
    with torch.device("meta"):
        net = build(layers_only(recipe), channels, classes)
    return sum(parameter.numel() for parameter in net.parameters())


@functools.cache
@one_thread()
def _cost(recipe: Recipe, shape: tuple[int, int, int], classes: int, width: float) -> Cost:
    """Count in the hooks of one pass: the inputs and outputs of a layer show which slice of its weight is in use."""
    with torch.device("meta"):
        net = build(recipe, shape[0], classes).eval()
    fill(net)
    counts = {"all": 0, "film": 0, "parameters": 0, "activations": 0}

    def count(module, inputs, output, kind):
        kernel = module.weight[0, 0].numel()  # 1 of a linear layer
        weights = inputs[0].shape[1] * kernel
        counts[kind] += weights * output[0].numel()
        counts["activations"] += output[0].numel() if isinstance(module, nn.Conv2d) else 0
        counts["parameters"] += output.shape[1] * (weights + (module.bias is not None))

    film = {layer for module in net.modules() if isinstance(module, FiLM) for layer in module.modules()}
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            kind = "film" if module in film else "all"
            module.register_forward_hook(lambda m, i, o, kind=kind: count(m, i, o, kind))
    with torch.no_grad():
        cond = net.condition(torch.ones(1), width=width)
        net(torch.zeros(1, *shape), cond)
    branches = NORMS[recipe.norm].branches  # a weight and a bias per channel of each
    norms = sum(2 * branches * scale.shape[1] for scale, _ in cond.affine)
    return Cost(counts["all"] + counts["film"], counts["film"], counts["parameters"] + norms, counts["activations"])


def training_macs(recipe: Recipe, shape: tuple[int, int, int], classes: int, train: int) -> int:
    """Count the multiply–accumulates of a training at all its widths, on `train` images of `shape` (C, H, W)."""
    widths = sum(cost(recipe, shape, classes, width).macs for width in recipe.widths or (1.0,))
    return round(training_passes(recipe, train) * widths)


def fill(net: nn.Module) -> None:
    """Replace tensors on the meta device by zeros. Initialising a large network on a CPU takes a second, and running
    one on the meta device makes torch load its compiler, which takes two."""
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.zeros(parameter.shape)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.zeros(buffer.shape, dtype=buffer.dtype))


def forward_cost(engine: Engine, images: Images, measurement: Measurement, directory: Path) -> Iterator[dict]:
    """Yield one row: {"width", "macs", "film_macs", "parameters", "milliseconds", "batch", "threads", "device"}.

    The time is the median of a forward pass of a batch of random images at random λ, FiLM included.
    """
    device, shape, width = images.images.device, tuple(images.images.shape[1:]), measurement.width
    counts = cost(engine.net.recipe, shape, engine.net.head.out_features, width)
    row = {"width": width, "macs": counts.macs, "film_macs": counts.film_macs, "parameters": counts.parameters}
    x = torch.rand(TIMED_BATCH, *shape, device=device).contiguous(memory_format=torch.channels_last)
    lam = torch.rand(TIMED_BATCH, device=device)
    seconds = [time_forward(engine, x, lam, width) for _ in range(2 + TIMINGS)][2:]  # the first two warm up
    row |= {"milliseconds": round(1000 * statistics.median(seconds), 4), "batch": TIMED_BATCH}
    yield row | {"threads": torch.get_num_threads(), "device": device.type}


@torch.no_grad()
def time_forward(engine: Engine, x: Tensor, lam: Tensor, width: float) -> float:
    """Seconds of one forward pass."""
    started = time.perf_counter()
    engine.logits(x, engine.condition(lam, width=width, training=False))
    if x.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
