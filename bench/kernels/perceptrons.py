"""All of a network's FiLM perceptrons in one call (film.h), as an autograd function."""

import torch
from torch import Tensor

from bench.kernels.calls import LONG, Perceptron, point
from bench.kernels.library import library


def perceptrons(code: Tensor, weights: list[tuple[Tensor, Tensor, Tensor, Tensor]], leaky: bool) -> list[Tensor]:
    """(R, d) codes through perceptrons given as (first weight, its bias, second weight, its bias) → (R, outputs) each.
    A weight may be a slice of its parameter, as a sub-network uses it. `leaky`: a Leaky ReLU at the end too."""
    return Perceptrons.apply(code.contiguous(), leaky, *(tensor for four in weights for tensor in four))


class Perceptrons(torch.autograd.Function):
    @staticmethod
    def forward(ctx, code: Tensor, leaky: bool, *weights: Tensor) -> tuple[Tensor, ...]:
        count, found, middles = len(weights) // 4, [], []
        array = (Perceptron * count)()
        for i, one in enumerate(array):
            first, first_bias, second, second_bias = weights[4 * i : 4 * i + 4]
            one.rows, one.inputs, one.hidden, one.outputs = *code.shape, first.shape[0], second.shape[0]
            one.leaky, one.second_row = leaky, second.stride(0)
            middles.append(code.new_empty(one.rows, one.hidden))
            found.append(code.new_empty(one.rows, one.outputs))
            given = {"first": first, "first_bias": first_bias, "second": second, "second_bias": second_bias}
            point(one, given | {"code": code, "middle": middles[-1], "y": found[-1]})
        library(torch.float32).perceptrons_forward(array, LONG(count))
        ctx.array = array
        ctx.save_for_backward(code, *weights, *middles, *found)
        return tuple(found)

    @staticmethod
    def backward(ctx, *grads: Tensor | None):
        count, found, used = len(ctx.array), [], []
        ctx.saved_tensors  # noqa: B018, raises where a weight has changed since; the array points to them
        for one, grad in zip(ctx.array, grads, strict=True):
            shapes = (one.hidden, one.inputs), (one.hidden,), (one.outputs, one.hidden), (one.outputs,)
            made = [torch.empty(shape) for shape in shapes]
            grad = torch.zeros(one.rows, one.outputs) if grad is None else grad.clone(memory_format=torch.contiguous_format)
            used += [grad, torch.empty(one.rows, one.hidden)]
            names = ("to_first", "to_first_bias", "to_second", "to_second_bias")
            point(one, dict(zip(names, made, strict=True)) | {"grad": used[-2], "to_middle": used[-1]})
            found += made
        library(torch.float32).perceptrons_backward(ctx.array, LONG(count))
        return None, None, *found
