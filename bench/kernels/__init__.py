"""The CPU kernels of conditional networks, in C: convolutions that scale, shift, add and rectify before they store, BN with
FiLM in training, and whole passes in eval mode as one list of such units. They compute what torch's operators compute,
and where they cannot be compiled those do it.

    unit.h, winograd.h, gather.h, product.h   a convolution and its tail     norm.h   BN, FiLM and ReLU in training
    library.py, calls.py   compile and call    convolution.py, normalisation.py   autograd functions    tape.py   eval mode
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from bench.kernels.library import library

TYPES = (torch.float32, torch.bfloat16)
_off = 0


def usable(x: Tensor) -> bool:
    """Whether the kernels can take images x on this machine."""
    return not _off and x.device.type == "cpu" and x.dtype in TYPES and library(x.dtype) is not None


@contextmanager
def without() -> Iterator[None]:
    """Within, torch's own operators do the work, layer by layer, so that a module's hooks see it."""
    global _off
    _off += 1
    try:
        yield
    finally:
        _off -= 1
