"""One convolution by the C kernels, as an autograd function."""

import ctypes

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bench.engines.cpu import convolution
from bench.engines.cpu.c_structs import LONG, Unit, images_last, stored
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.convolution import Geometry
from bench.engines.cpu.packed_weights import PackedWeights
from bench.models.slimmable import SlimConv2d


class Convolution(torch.autograd.Function):
    """x (N, C, H, W) and the slice of the layer's weight that is used → (N, outputs, H', W')."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, conv: SlimConv2d, packed: PackedWeights) -> Tensor:
        x = images_last(x, stored(x))
        ctx.geometry = Geometry(x.shape[1], weight.shape[0], weight.shape[2], conv.stride[0], *x.shape[2:])
        ctx.conv, ctx.packed = conv, packed
        ctx.save_for_backward(x, weight)  # the weight: so that autograd raises where it changed since
        return convolve(x, ctx.geometry, conv, packed)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        x, _ = ctx.saved_tensors
        grad, geometry = images_last(grad, x.dtype), ctx.geometry
        to_x = convolve(grad, geometry, ctx.conv, ctx.packed, backward=True) if ctx.needs_input_grad[0] else None
        return to_x, weight_gradient(x, grad, geometry) if ctx.needs_input_grad[1] else None, None, None


def convolve(x: Tensor, geometry: Geometry, conv: SlimConv2d, packed: PackedWeights, backward: bool = False) -> Tensor:
    """Images x → (N, outputs, H', W'); backward: the output's gradient x → the input's gradient."""
    size = (geometry.inputs, geometry.height, geometry.width) if backward else (geometry.outputs, *geometry.out)
    y = torch.empty((x.shape[0], *size), dtype=x.dtype, memory_format=torch.channels_last)
    units = convolution.units(geometry, backward)
    for unit, weights in zip(units, packed.of(conv, geometry, backward), strict=True):
        unit.x, unit.y, unit.weights = x.data_ptr(), y.data_ptr(), weights.data_ptr()
    library(x.dtype).run((Unit * len(units))(*units), LONG(len(units)), LONG(x.shape[0]))
    return y


def weight_gradient(x: Tensor, grad: Tensor, geometry: Geometry) -> Tensor:
    """(outputs, inputs, kernel, kernel) fp32 gradient of the weight, from the input and the output's gradient."""
    sizes = geometry.outputs, geometry.inputs, geometry.kernel, geometry.kernel
    result = torch.empty(sizes, memory_format=torch.channels_last)
    unit = convolution.weight_gradient_unit(geometry)
    scratch = torch.empty(convolution.weight_gradient_scratch(geometry, unit, x.shape[0]))
    unit.x, unit.y = x.data_ptr(), grad.data_ptr()
    call = convolution.weight_gradient_call(geometry, unit, scratch)
    call.found = result.data_ptr()
    library(x.dtype).to_weights(ctypes.byref(call), LONG(x.shape[0]))
    return result
