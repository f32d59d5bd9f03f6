"""Dropout in training (the WRNs' 0.3; ledger row 10). On a CPU torch draws its masks in a serial loop, which took 18 %
of a WRN-10-2's training step; the kernel's mask is a hash of a key and the element."""

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.engines import cpu
from bench.engines.cpu.c_structs import LONG, Dropped, draw, drop, images_last
from bench.engines.cpu.compiled_library import lanes, library
from bench.engines.cpu.lowering import Value


def dropout(x: Tensor | Value, p: float) -> Tensor | Value:
    """Each element of x (N, C, H, W) 0 with probability p, or divided by 1 - p, one draw of torch's global generator
    deciding."""
    if p == 0:
        return x
    if isinstance(x, Value):
        return x.recording.dropout(x, p)
    if not cpu.usable(x) or x.shape[1] % lanes():
        return F.dropout(x, p)
    return Dropout.apply(x, p, draw())


class Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, p: float, key: int) -> Tensor:
        ctx.drawn = p, key
        return masked(x, p, key)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return masked(grad, *ctx.drawn), None, None


def masked(x: Tensor, p: float, key: int) -> Tensor:
    x = images_last(x, x.dtype)
    y = torch.empty_like(x)
    call = Dropped(x[0].numel(), x.data_ptr(), y.data_ptr(), key)
    drop(call, p)
    library(x.dtype).dropout(ctypes.byref(call), LONG(x.shape[0]))
    return y
