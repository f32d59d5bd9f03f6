"""Dropout with masks from 16 random bits an element: on a CPU torch draws its own in a serial loop, which took 18 % of
a WRN-10-2's training step. Unbiased: what is kept is divided by the very probability with which the bits keep it."""

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 2**16


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Each element of x 0 with probability p, to the nearest of 2¹⁶ levels, or divided by 1 - p. Draws from torch's
    global generator."""
    if not training or p == 0 or x.device.type != "cpu":
        return F.dropout(x, p, training)
    dropped = round(p * LEVELS)
    bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    bits = bits.view(torch.int16)[: x.numel()].as_strided(x.shape, x.stride())
    keep = (bits >= dropped - LEVELS // 2).to(x.dtype)
    return x * keep.mul_(LEVELS / (LEVELS - dropped))
