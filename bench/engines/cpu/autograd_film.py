"""The MLPs of all FiLM layers in one call of the C kernels (csrc/film_mlp.h), as an autograd function."""

import itertools

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.engines.cpu.c_structs import LONG, Perceptron
from bench.engines.cpu.compiled_library import library
from bench.models.film import MLP, FiLM


def film_outputs(layers: list[FiLM], code: Tensor, width: float) -> list[tuple[Tensor, Tensor]]:
    """Codes (R, d) → (γ, β) of each FiLM layer, each (R, αC)."""
    authors = layers[0].kind == "authors"
    weights = [mlp_weights(mlp, width) for layer in layers for mlp in mlps_of(layer)]
    outputs = iter(perceptrons(code, weights, authors))
    return [layer.split(next(outputs), width) if authors else (next(outputs), next(outputs)) for layer in layers]


def mlps_of(layer: FiLM) -> list[MLP]:
    return [layer.both] if layer.kind == "authors" else [layer.gamma, layer.beta]


def mlp_weights(mlp: MLP, width: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """First weight, its bias, second weight, its bias, as far as a sub-network of this width uses them."""
    first, _, second = mlp
    hidden, hidden_bias = first.weights_at(width, first.in_features)
    return hidden, hidden_bias, *second.weights_at(width, len(hidden_bias))


def perceptrons(code: Tensor, weights: list[tuple[Tensor, Tensor, Tensor, Tensor]], leaky: bool) -> list[Tensor]:
    """(R, d) codes through perceptrons given as (first weight, its bias, second weight, its bias) → (R, outputs) each.
    A weight may be a slice of its parameter, as a sub-network uses it. `leaky`: a Leaky ReLU at the end too."""
    return Perceptrons.apply(code.contiguous(), leaky, *itertools.chain.from_iterable(weights))


class Perceptrons(torch.autograd.Function):
    @staticmethod
    def forward(ctx, code: Tensor, leaky: bool, *weights: Tensor) -> tuple[Tensor, ...]:
        rows, inputs = code.shape
        hidden, outputs = (tuple(bias.shape[0] for bias in weights[i::4]) for i in (1, 3))
        array = (Perceptron * len(hidden))()
        middle, y = code.new_empty(rows * sum(hidden)), code.new_empty(rows * sum(outputs))
        addresses = [tensor.data_ptr() for tensor in weights]
        places = zip(array, hidden, outputs, offsets(middle, rows, hidden), offsets(y, rows, outputs), strict=True)
        for i, (mlp, units, last, to_middle, to_y) in enumerate(places):
            mlp.rows, mlp.inputs, mlp.hidden, mlp.outputs, mlp.leaky = rows, inputs, units, last, leaky
            mlp.wide = mlp.wide_row = last
            mlp.code, mlp.middle, mlp.y, mlp.second_row = code.data_ptr(), to_middle, to_y, weights[4 * i + 2].stride(0)
            mlp.first, mlp.first_bias, mlp.second, mlp.second_bias = addresses[4 * i : 4 * i + 4]
        library(torch.float32).perceptrons_forward(array, LONG(len(array)))
        ctx.array, ctx.hidden, ctx.outputs, ctx.inputs = array, hidden, outputs, inputs
        ctx.save_for_backward(code, middle, y, *weights)
        return cut(y, rows, outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads: Tensor | None):
        code, middle, y, *_ = ctx.saved_tensors  # raises where a weight has changed since; the array points to them
        rows, hidden, outputs = code.shape[0], ctx.hidden, ctx.outputs
        grad, to_middle = torch.zeros_like(y), torch.empty_like(middle)
        for part, given in zip(cut(grad, rows, outputs), grads, strict=True):
            if given is not None:
                part.copy_(given)
        sizes = list(
            itertools.chain.from_iterable(weight_sizes(h, o, ctx.inputs) for h, o in zip(hidden, outputs, strict=True))
        )
        weight_grads = torch.empty(sum(sizes))
        places = zip(ctx.array, offsets(grad, rows, outputs), offsets(to_middle, rows, hidden), strict=True)
        ends = offsets(weight_grads, 1, sizes)
        for i, (mlp, to_grad, to_hidden) in enumerate(places):
            mlp.grad, mlp.to_middle = to_grad, to_hidden
            mlp.to_first, mlp.to_first_bias, mlp.to_second, mlp.to_second_bias = ends[4 * i : 4 * i + 4]
        library(torch.float32).perceptrons_backward(ctx.array, LONG(len(ctx.array)))
        parts = weight_grads.split(sizes)
        shapes = itertools.chain.from_iterable(
            ((h, ctx.inputs), (h,), (o, h), (o,)) for h, o in zip(hidden, outputs, strict=True)
        )
        return None, None, *(part.view(shape) for part, shape in zip(parts, shapes, strict=True))


def weight_sizes(hidden: int, outputs: int, inputs: int) -> tuple[int, int, int, int]:
    return hidden * inputs, hidden, outputs * hidden, outputs


def offsets(tensor: Tensor, rows: int, columns: list[int]) -> list[int]:
    """Addresses of the matrices of so many columns that lie in a tensor one after the other."""
    starts = itertools.accumulate(columns, initial=0)
    return [tensor.data_ptr() + 4 * rows * start for start, _ in zip(starts, columns, strict=False)]


def cut(tensor: Tensor, rows: int, columns: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Those matrices."""
    parts = tensor.split([rows * count for count in columns])
    return tuple(part.view(rows, count) for part, count in zip(parts, columns, strict=True))
