"""The CPU kernels of conditional networks, in C. They compute what torch's operators compute, and where they cannot be
compiled those do it.

    unit.h                                    a convolution, and scale, shift, sum and ReLU before it is stored: by
    winograd.h, strided.h, gather.h           3×3 of stride 1, of stride 2 (both in a domain.h), and all others
    to_weights.h                              a convolution's way to its weights
    product.h, vector.h                       products of small matrices; vectors, fp32 and bf16
    norm.h, dropout.h, film.h, head.h         BN with FiLM and dropout in training, FiLM's perceptrons, the classifier
    fold.h, ascent.h                          BN with FiLM in eval mode, what an attack does outside the network
    library.py, calls.py                      compile and call them
    recording.py, tape.py, training.py        a network as lists of calls, in eval and in training mode
    weights.py, films.py, folding.py, slots.py   what a pass takes and gives: weights, FiLM, scale and shift, gradients
    ascent.py                                 the steps of an attack on a tape
    convolution.py, normalisation.py, perceptrons.py   one by one, as autograd functions
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from bench.engines.cpu.compiled_library import library

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
