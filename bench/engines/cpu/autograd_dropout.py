"""Dropout by the C kernels, as an autograd function.

torch draws the mask in a serial loop, which took 18 % of a WRN-10-2's training step on a CPU. Here the mask is a hash
of a key and the element's index (csrc/dropout.h); the key is one draw of torch's global generator.
"""

import ctypes

import torch
from torch import Tensor

from bench.engines.cpu.c_structs import LONG, Dropped, draw, drop, images_last
from bench.engines.cpu.compiled_library import library


class Dropout(torch.autograd.Function):
    """x (N, C, H, W) → each element 0 with probability p, else divided by 1 - p."""

    @staticmethod
    def forward(ctx, x: Tensor, p: float) -> Tensor:
        ctx.p, ctx.key = p, draw()
        return masked(x, p, ctx.key)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return masked(grad, ctx.p, ctx.key), None


def masked(x: Tensor, p: float, key: int) -> Tensor:
    x = images_last(x, x.dtype)
    y = torch.empty_like(x)
    call = Dropped(x[0].numel(), x.data_ptr(), y.data_ptr(), key)
    drop(call, p)
    library(x.dtype).dropout(ctypes.byref(call), LONG(x.shape[0]))
    return y
