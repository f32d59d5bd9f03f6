"""Dropout in training (the WRNs' 0.3; ledger row 10). On a CPU torch draws its masks in a serial loop, which took 18 % of
a WRN-10-2's training step; the kernel's mask is a hash of a key and the element."""

import ctypes

import torch
import torch.nn.functional as F
from torch import Tensor

from bench import kernels
from bench.kernels.calls import LONG, POINTER, images_last
from bench.kernels.library import lanes, library

LEVELS = 2**32


def dropout(x: Tensor, p: float) -> Tensor:
    """Each element of x (N, C, H, W) 0 with probability p, or divided by 1 - p, one draw of torch's global generator
    deciding."""
    if p == 0:
        return x
    if not kernels.usable(x) or x.shape[1] % lanes():
        return F.dropout(x, p)
    return Dropout.apply(x, round(p * LEVELS), int(torch.randint(2**63 - 1, ())))


class Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, dropped: int, key: int) -> Tensor:
        ctx.drawn = dropped, key
        return masked(x, dropped, key)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return masked(grad, *ctx.drawn), None, None


def masked(x: Tensor, dropped: int, key: int) -> Tensor:
    x = images_last(x, x.dtype)
    y = torch.empty_like(x)
    scale = ctypes.c_double(LEVELS / (LEVELS - dropped))  # the very probability with which the hash keeps an element
    numbers = map(LONG, (x.numel(), key, dropped))
    library(x.dtype).dropout(POINTER(x.data_ptr()), POINTER(y.data_ptr()), *numbers, scale)
    return y
