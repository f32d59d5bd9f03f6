"""The reference engine: the network as it stands, by autograd, on any device."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork


class EagerEngine:
    """Plain PyTorch. `Engine` in bench/engines/__init__.py documents the methods."""

    name = "eager"

    def __init__(self, net: ConditionalNetwork):
        self.net = net

    def condition(self, lam: Tensor, zeros=None, width=1.0, branch=None, training=None, rows=None) -> Condition:
        return self.net.condition(lam, zeros, width, branch, training)

    def logits(self, x: Tensor, cond: Condition) -> Tensor:
        return self.net(x, cond)

    def pgd(self, x, low, high, y, step, steps, cond) -> None:
        return None

    def watch(self, optimiser: torch.optim.Optimizer) -> None:
        pass

    def training_memory(self) -> AbstractContextManager:
        return nullcontext()
