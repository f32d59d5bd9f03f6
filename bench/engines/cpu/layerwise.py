"""The steps of a network one by one: by the C kernels where a layer has whole vectors of channels, by torch elsewhere.

The engine takes this path where no plan fits: other norm layers, attacks in training mode. Plans pad channels to whole
vectors; this path does not.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.engines.cpu import convolution
from bench.engines.cpu.autograd_batch_norm import normalise
from bench.engines.cpu.autograd_convolution import Convolution
from bench.engines.cpu.autograd_dropout import Dropout
from bench.engines.cpu.autograd_film import film_outputs
from bench.engines.cpu.compiled_library import lanes
from bench.engines.cpu.lowering import INPUT, Step
from bench.engines.cpu.packed_weights import PackedWeights
from bench.models.dual_bn import Condition, ConditionalNorm
from bench.models.network import ConditionalNetwork
from bench.models.slimmable import SlimConv2d, at_width


def logits(net: ConditionalNetwork, steps: list[Step], packed: PackedWeights, x: Tensor, cond: Condition) -> Tensor:
    """(N, C, H, W) images → (N, classes), with autograd's graph through every layer."""
    last_use = {value: i for i, step in enumerate(steps) for value in (step.x, step.residual)}
    values = {INPUT: x}
    for i, step in enumerate(steps):
        h = values[step.x]
        residual = None if step.residual is None else values[step.residual]
        if step.conv is not None:
            h = convolve(step.conv, h, cond.width, packed)
        if step.norm is not None:
            h = normalise_add_relu(step.norm, h, cond, residual, step.relu)
        else:
            h = h if residual is None else h + residual
            h = F.relu(h) if step.relu else h
        values[i] = dropout(h, step.dropout) if cond.training else h
        for value in {step.x, step.residual} - {None}:
            if last_use[value] == i:
                del values[value]
    return net.head(h.mean(dim=(2, 3)))


def convolve(conv: SlimConv2d, x: Tensor, width: float, packed: PackedWeights) -> Tensor:
    weight = conv.weight_at(width, x.shape[1])
    if not convolution.supported(conv, x.shape[1], weight.shape[0]):
        return conv(x, width)
    return Convolution.apply(x, weight, conv, packed)


def normalise_add_relu(
    norm: ConditionalNorm, x: Tensor, cond: Condition, residual: Tensor | None, relu: bool
) -> Tensor:
    """ReLU(norm(x) + residual); the kernel computes all three in training mode."""
    if cond.training and by_branches(norm) and x.shape[1] % lanes() == 0:
        zeros = cond.zeros if norm.bn_c is not None else 0
        branches, film = branches_used(norm, cond, len(x)), cond.films[norm.index]
        return normalise(x, branches, film, zeros, row_of_each(cond, len(x)), residual, relu)
    x = norm(x, cond)
    x = x if residual is None else x + residual
    return F.relu(x, inplace=True) if relu else x


def dropout(x: Tensor, p: float) -> Tensor:
    if p == 0:
        return x
    return F.dropout(x, p) if x.shape[1] % lanes() else Dropout.apply(x, p)


def films(net: ConditionalNetwork, code: Tensor | None, width: float) -> list[tuple[Tensor, Tensor] | None]:
    """(γ, β) of each norm layer as ConditionalNetwork.films computes them, all MLPs in one call of the kernels."""
    layers = [norm.film for norm in net.norms if norm.film is not None]
    outputs = iter(film_outputs(layers, code, width) if layers else [])
    return [None if norm.film is None else next(outputs) for norm in net.norms]


def by_branches(norm: ConditionalNorm) -> bool:
    """Whether the kernels know this norm layer: (dual) BN by branch, then FiLM."""
    return type(norm) is ConditionalNorm


def branches_at(norm: ConditionalNorm, width: float) -> dict[str, nn.BatchNorm2d]:
    """The BNs of a width by branch: c and a, or a alone."""
    branches = {"a": at_width(norm.bn_a, width)}
    return branches if norm.bn_c is None else {"c": at_width(norm.bn_c, width)} | branches


def branches_used(norm: ConditionalNorm, cond: Condition, n: int) -> dict[str, nn.BatchNorm2d]:
    """Training mode: the BNs that n images go through, by branch."""
    branches = branches_at(norm, cond.width)
    if "c" in branches and cond.zeros in (0, n):
        del branches["c" if cond.zeros == 0 else "a"]
    return branches


def row_of_each(cond: Condition, n: int) -> Tensor:
    """(n,) index of each image's λ among the R of (γ, β), each (R, C)."""
    if cond.rows is not None:
        return cond.rows
    several = any(len(film[0]) > 1 for film in cond.films if film is not None)
    return torch.arange(n) if several else torch.zeros(n, dtype=torch.int64)
