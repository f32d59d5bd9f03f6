"""Helpers of the CPU engine's tests: errors against fp64, and the engine of a network."""

import pytest
import torch
from torch import Tensor

from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.engine import CpuEngine
from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork

HALF = 2.0**-8  # a rounding to bf16 is off by at most so much of a number
needs_kernels = pytest.mark.skipif(library(torch.float32) is None, reason="the kernels are off, or cannot be had here")


def off(computed: Tensor, exact: Tensor) -> float:
    """How far `computed` is off, as a share of the norm of what it should be."""
    assert computed.shape == exact.shape
    return ((computed.double() - exact.double()).norm() / exact.double().norm().clamp(min=1e-30)).item()


def rounded(computed: Tensor, exact: Tensor) -> bool:
    """Whether `computed` is `exact`, each number rounded to bf16 once, after fp32 arithmetic."""
    exact = exact.double()
    return bool(((computed.double() - exact).abs() <= 1.02 * HALF * exact.abs() + 1e-5 * exact.abs().max()).all())


ENGINES: dict[ConditionalNetwork, CpuEngine] = {}


def engine_of(net: ConditionalNetwork) -> CpuEngine:
    """The CPU engine of a network, made at its first pass in a test."""
    if net not in ENGINES:
        ENGINES[net] = CpuEngine(net)
    return ENGINES[net]


def call(net: ConditionalNetwork, x: Tensor, lam: Tensor | Condition, **how) -> Tensor:
    """Logits by the CPU engine. `how`: further arguments of its `condition`."""
    engine = engine_of(net)
    return engine.logits(x, lam if isinstance(lam, Condition) else engine.condition(lam, **how))


def plans_of(net: ConditionalNetwork, kind: type) -> list:
    return [plan for plan in engine_of(net).plans if isinstance(plan, kind)]
