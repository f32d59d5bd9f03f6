"""What the kernels' results are held against: the same in fp64 by torch's operators."""

import pytest
import torch
from torch import Tensor

from bench.engines.cpu.compiled_library import library

HALF = 2.0**-8  # a rounding to bf16 is off by at most so much of a number
needs_kernels = pytest.mark.skipif(library(torch.float32) is None, reason="the kernels are off, or cannot be had here")


def off(found: Tensor, exact: Tensor) -> float:
    """How far `found` is off, as a share of the norm of what it should be."""
    assert found.shape == exact.shape
    return ((found.double() - exact.double()).norm() / exact.double().norm().clamp(min=1e-30)).item()


def rounded(found: Tensor, exact: Tensor) -> bool:
    """Whether `found` is `exact`, each number rounded to bf16 once, after fp32 arithmetic."""
    exact = exact.double()
    return bool(((found.double() - exact).abs() <= 1.02 * HALF * exact.abs() + 1e-5 * exact.abs().max()).all())
