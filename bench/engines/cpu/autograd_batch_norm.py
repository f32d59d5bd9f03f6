"""Training-mode (dual) BN with FiLM, residual and ReLU by the C kernels (csrc/batch_norm.h), as an autograd
function."""

import ctypes

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bench.engines.cpu.c_structs import Norm, drop, images_last, point, stored
from bench.engines.cpu.compiled_library import library


def normalise(
    x: Tensor, branches: dict[str, nn.BatchNorm2d], film, zeros: int, row: Tensor, residual: Tensor | None, relu: bool
) -> Tensor:
    """ReLU(γ BN(x) + β + residual) of x (N, C, H, W) by batch statistics, which update the running statistics.

    branches: BN by branch, "c" for the first `zeros` images and "a" for the others; a branch without images is absent,
    and its parameters get no gradient. film: (γ, β), each (R, C), or None. row: (N,) index of each image's λ among R.
    """
    bns = [branches.get(branch) for branch in "ca"]
    for bn in branches.values():
        bn.num_batches_tracked.add_(1)
    parameters = [value for bn in bns for value in ((None, None) if bn is None else (bn.weight, bn.bias))]
    return Normalisation.apply(x, residual, *parameters, *(film or (None, None)), bns, zeros, row, relu)


class Normalisation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, residual, weight_c, bias_c, weight_a, bias_a, gamma, beta, bns, zeros, row, relu) -> Tensor:
        dtype, channels = stored(x), x.shape[1]
        x = images_last(x, dtype)
        residual = None if residual is None else images_last(residual, dtype)
        y, mean, inverse = torch.empty_like(x), torch.empty(2, channels), torch.empty(2, channels)
        if gamma is not None:
            gamma, beta = gamma.float().contiguous(), beta.float().contiguous()
        fields = {"weight_c": weight_c, "bias_c": bias_c, "weight_a": weight_a, "bias_a": bias_a}
        fields |= {"x": x, "y": y, "gamma": gamma, "beta": beta, "row": row, "mean": mean, "inverse": inverse}
        norm = Norm(x.shape[0], x.shape[2] * x.shape[3], channels, channels, zeros)
        norm.relu, norm.rows = relu, 0 if gamma is None else gamma.shape[0]
        drop(norm, 0)
        for branch, bn in zip("ca", bns, strict=True):
            if bn is not None:
                norm.momentum, norm.eps = bn.momentum, bn.eps
                fields |= {f"running_mean_{branch}": bn.running_mean, f"running_var_{branch}": bn.running_var}
        point(norm, fields | {"plus": residual})
        scratch = torch.empty(2 * x.shape[0] * channels)
        norm.sums = scratch.data_ptr()
        library(dtype).norm_forward(ctypes.byref(norm))
        ctx.save_for_backward(
            x, y if relu else None, mean, inverse, weight_c, bias_c, weight_a, bias_a, gamma, beta, row
        )
        ctx.norm, ctx.has_residual = norm, residual is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, y, _, _, weight_c, _, weight_a, _, gamma, _, _ = ctx.saved_tensors
        norm, channels = ctx.norm, x.shape[1]
        grad, to_x = images_last(grad, x.dtype), torch.empty_like(x)
        to_residual = torch.empty_like(x) if ctx.has_residual and y is not None else grad if ctx.has_residual else None
        to_weight, to_bias, scratch = (
            torch.empty(2, channels),
            torch.empty(2, channels),
            torch.empty(2 * x.shape[0] * channels),
        )
        fields = {"grad": grad, "to_x": to_x, "to_weight": to_weight, "to_bias": to_bias, "sums": scratch}
        fields["to_plus"] = None if to_residual is grad else to_residual
        to_gamma = to_beta = None
        if gamma is not None:
            to_gamma, to_beta = torch.empty_like(gamma), torch.empty_like(gamma)
            fields |= {"to_gamma": to_gamma, "to_beta": to_beta}
        point(norm, fields)
        library(x.dtype).norm_backward(ctypes.byref(norm))
        gradients = [to_x, to_residual]
        for branch, weight in enumerate((weight_c, weight_a)):
            gradients += [None, None] if weight is None else [to_weight[branch], to_bias[branch]]
        return *gradients, to_gamma, to_beta, None, None, None, None
