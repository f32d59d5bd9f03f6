"""Engines compute f(x, λ) of a conditional network. `engine_for` selects one.

An engine implements the interface below and passes tests/engines/test_conformance.py, which compares it with the eager
engine: logits, gradients, running statistics and PGD iterates for every norm, width, encoding, method and ledger row.
The models know no engine: `net(x, cond)` is always plain PyTorch.
"""

from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

from bench.engines.eager import EagerEngine
from bench.engines.gpu.autotune import AutotunedGpuEngine
from bench.engines.gpu.engine import GpuEngine
from bench.engines.gpu.graphs import GraphedGpuEngine
from bench.errors import BadInput
from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork
from bench.spec.engine_choice import chosen_engine

OF_ANY_DEVICE = {each.name: each for each in (EagerEngine, GpuEngine, AutotunedGpuEngine, GraphedGpuEngine)}


class Engine(Protocol):
    """`name` goes into the provenance of results. `net` is the network whose f(x, λ) is computed."""

    name: str
    net: ConditionalNetwork

    def condition(
        self,
        lam: Tensor,
        zeros: int | None = None,
        width: float = 1.0,
        branch: str | None = None,
        training: bool | None = None,
        rows: Tensor | None = None,
    ) -> Condition:
        """Make the Condition of (N,) λ, with the arguments of ConditionalNetwork.condition. rows: (N,) index of each λ
        among the network's `lambdas`, if these are all and the caller knows it: FiLM then runs once per λ, where a look
        at the λ themselves would make a GPU wait."""

    def logits(self, x: Tensor, cond: Condition) -> Tensor:
        """(N, C, H, W) images → (N, classes) logits. Eval mode: a gradient to x alone. Training mode: a gradient to the
        parameters, and updated running statistics."""

    def pgd(
        self, x: Tensor, low: Tensor, high: Tensor, y: Tensor, step: float, steps: int, cond: Condition
    ) -> Tensor | None:
        """Take `steps` signed gradient steps of size `step` from x up the cross-entropy with labels y (N,), clamping
        each to [low, high]. Returns None where autograd must take the steps through `logits`."""

    def watch(self, optimiser: torch.optim.Optimizer) -> None:
        """Notice every update that this optimiser makes to the parameters."""

    def training_memory(self) -> AbstractContextManager:
        """Return the context in which an epoch of training runs."""


def engine_for(net: ConditionalNetwork, device: torch.device | str) -> Engine:
    """Make the engine of a network on a device (see engine_class)."""
    return engine_class(device)(net)


def engine_class(device: torch.device | str) -> type[Engine]:
    """Select the engine by BENCH_ENGINE=eager, cpu, gpu, gpu-autotune, gpu-graphs or auto (default): auto is the CPU
    kernels on a CPU where they can be compiled, else eager, and gpu on other devices. Raises BadInput where the chosen
    engine cannot run."""
    choice, device = chosen_engine(), torch.device(device)
    if choice == "auto" and device.type != "cpu":
        return GpuEngine
    if choice in OF_ANY_DEVICE:
        return OF_ANY_DEVICE[choice]
    from bench.engines.cpu.engine import CpuEngine, why_unavailable

    reason = why_unavailable(device)
    if reason and choice == "cpu":
        raise BadInput(f"BENCH_ENGINE=cpu: {reason}")
    return EagerEngine if reason else CpuEngine
