"""What a forward pass costs, counted and timed (Sec. 4.3)."""

import functools
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from bench.data import Images
from bench.engines import cpu
from bench.models import build
from bench.models.film import FiLM
from bench.models.network import ConditionalNetwork
from bench.spec.architectures import untrained
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.training_cost import training_passes

TIMED_BATCH, TIMINGS = 64, 15


@dataclass(frozen=True)
class Cost:
    """Of one forward pass of one image: multiply–accumulates of convolutions and linear layers; and the parameters that
    it uses."""

    macs: int
    film_macs: int
    parameters: int


def cost(recipe: Recipe, shape: tuple[int, int, int], classes: int, width: float = 1.0) -> Cost:
    """`macs` includes `film_macs`, those of the FiLM MLPs. `shape` is (C, H, W).

    At a width of a slimmable network, of that sub-network alone: its slices of the weights, and its own BNs.
    """
    return _cost(untrained(recipe), shape, classes, width)


@functools.cache
def _cost(recipe: Recipe, shape: tuple[int, int, int], classes: int, width: float) -> Cost:
    """Counted in one pass: a sub-network's layers are as large as what goes into and comes out of them."""
    with torch.device("meta"):
        net = build(recipe, shape[0], classes).eval()
    fill(net)
    counted = {"all": 0, "film": 0, "parameters": 0}

    def count(module, inputs, output, kind):
        kernel = module.weight[0, 0].numel()  # 1 of a linear layer
        weights = inputs[0].shape[1] * kernel
        counted[kind] += weights * output[0].numel()
        counted["parameters"] += output.shape[1] * (weights + (module.bias is not None))

    film = {layer for module in net.modules() if isinstance(module, FiLM) for layer in module.modules()}
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            kind = "film" if module in film else "all"
            module.register_forward_hook(lambda m, i, o, kind=kind: count(m, i, o, kind))
    with torch.no_grad(), cpu.without():
        cond = net.condition(torch.ones(1), width=width)
        net(torch.zeros(1, *shape), cond)
    branches = 1 + (recipe.norm != "normal")  # a weight and a bias per channel of each
    norms = sum(2 * branches * scale.shape[1] for scale, _ in cond.affine)
    return Cost(counted["all"] + counted["film"], counted["film"], counted["parameters"] + norms)


def training_macs(recipe: Recipe, shape: tuple[int, int, int], classes: int, train: int) -> int:
    """Multiply–accumulates of a whole training at all its widths. `shape` is (C, H, W), `train` as in the budget."""
    widths = sum(cost(recipe, shape, classes, width).macs for width in recipe.widths or (1.0,))
    return round(training_passes(recipe, train) * widths)


def fill(net: nn.Module) -> None:
    """Zeros in place of tensors on the meta device: on a CPU, initialising a large network takes a second, and running
    one on the meta device makes torch load its compiler, which takes two."""
    for module in net.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.zeros(parameter.shape)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.zeros(buffer.shape, dtype=buffer.dtype))


def forward_cost(net: ConditionalNetwork, part: Images, what: Measurement, directory: Path) -> Iterator[dict]:
    """Yield one row: {"width", "macs", "film_macs", "parameters", "milliseconds", "batch", "threads", "device"}.

    The time is the median of a forward pass of a batch of random images at random λ, FiLM included.
    """
    device, shape = part.images.device, tuple(part.images.shape[1:])
    counted = cost(net.recipe, shape, net.head.out_features, what.width)
    row = {"width": what.width, "macs": counted.macs, "film_macs": counted.film_macs, "parameters": counted.parameters}
    x = torch.rand(TIMED_BATCH, *shape, device=device).contiguous(memory_format=torch.channels_last)
    lam = torch.rand(TIMED_BATCH, device=device)
    seconds = [timed(net, x, lam, what.width) for _ in range(2 + TIMINGS)][2:]  # the first ones warm up
    row |= {"milliseconds": round(1000 * statistics.median(seconds), 4), "batch": TIMED_BATCH}
    yield row | {"threads": torch.get_num_threads(), "device": device.type}


@torch.no_grad()
def timed(net: ConditionalNetwork, x, lam, width: float) -> float:
    started = time.perf_counter()
    net(x, net.condition(lam, width=width))
    if x.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
