"""Conditional batch normalisation in training as an autograd function (norm.h says what is computed)."""

import ctypes

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bench.engines.cpu.c_structs import Norm, drop, images_last, point, stored
from bench.engines.cpu.compiled_library import lanes, library


def supported(x: Tensor) -> bool:
    return x.shape[1] % lanes() == 0


def normalise(
    x: Tensor, branches: dict[str, nn.BatchNorm2d], film, zeros: int, row: Tensor, plus: Tensor | None, relu: bool
) -> Tensor:
    """ReLU(γ BN(x) + β + plus) of x (N, C, H, W) by batch statistics, which enter the running ones. The first `zeros`
    images go through the BN of branch c, the others through that of a; `film` is (γ, β), each (R, C), or None, and
    `row` (N,) says which of the R each image has. A branch without images is not given: its parameters get no
    gradient."""
    used = [branches.get(branch) for branch in "ca"]
    for bn in branches.values():
        bn.num_batches_tracked.add_(1)
    parameters = [value for bn in used for value in ((None, None) if bn is None else (bn.weight, bn.bias))]
    return Normalisation.apply(x, plus, *parameters, *(film or (None, None)), used, zeros, row, relu)


class Normalisation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, plus, weight_c, bias_c, weight_a, bias_a, gamma, beta, used, zeros, row, relu) -> Tensor:
        dtype, channels = stored(x), x.shape[1]
        x = images_last(x, dtype)
        plus = None if plus is None else images_last(plus, dtype)
        y, mean, inverse = torch.empty_like(x), torch.empty(2, channels), torch.empty(2, channels)
        if gamma is not None:
            gamma, beta = gamma.float().contiguous(), beta.float().contiguous()
        given = {"weight_c": weight_c, "bias_c": bias_c, "weight_a": weight_a, "bias_a": bias_a}
        given |= {"x": x, "y": y, "gamma": gamma, "beta": beta, "row": row, "mean": mean, "inverse": inverse}
        norm = Norm(x.shape[0], x.shape[2] * x.shape[3], channels, zeros)
        norm.relu, norm.rows = relu, 0 if gamma is None else gamma.shape[0]
        drop(norm, 0)
        for branch, bn in zip("ca", used, strict=True):
            if bn is not None:
                norm.momentum, norm.eps = bn.momentum, bn.eps
                given |= {f"running_mean_{branch}": bn.running_mean, f"running_var_{branch}": bn.running_var}
        point(norm, given | {"plus": plus})
        room = torch.empty(2 * x.shape[0] * channels)
        norm.sums = room.data_ptr()
        library(dtype).norm_forward(ctypes.byref(norm))
        ctx.save_for_backward(
            x, y if relu else None, mean, inverse, weight_c, bias_c, weight_a, bias_a, gamma, beta, row
        )
        ctx.norm, ctx.plus = norm, plus is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, y, _, _, weight_c, _, weight_a, _, gamma, _, _ = ctx.saved_tensors
        norm, channels = ctx.norm, x.shape[1]
        grad, to_x = images_last(grad, x.dtype), torch.empty_like(x)
        to_plus = torch.empty_like(x) if ctx.plus and y is not None else grad if ctx.plus else None
        to_weight, to_bias, room = (
            torch.empty(2, channels),
            torch.empty(2, channels),
            torch.empty(2 * x.shape[0] * channels),
        )
        given = {"grad": grad, "to_x": to_x, "to_weight": to_weight, "to_bias": to_bias, "sums": room}
        given["to_plus"] = None if to_plus is grad else to_plus
        to_gamma = to_beta = None
        if gamma is not None:
            to_gamma, to_beta = torch.empty_like(gamma), torch.empty_like(gamma)
            given |= {"to_gamma": to_gamma, "to_beta": to_beta}
        point(norm, given)
        library(x.dtype).norm_backward(ctypes.byref(norm))
        found = [to_x, to_plus]
        for branch, weight in enumerate((weight_c, weight_a)):
            found += [None, None] if weight is None else [to_weight[branch], to_bias[branch]]
        return *found, to_gamma, to_beta, None, None, None, None
