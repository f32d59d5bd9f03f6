"""f(·, λ) at one condition: what attacks and measurements ask."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.engines.cpu.pgd import ascend
from bench.engines.precision import autocast
from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork


@dataclass(frozen=True, eq=False)
class Conditioned:
    """Called with images (N, C, H, W), gives their logits (N, classes); computes in `precision`."""

    net: ConditionalNetwork
    cond: Condition
    precision: str = "fp32"

    def __call__(self, images: Tensor) -> Tensor:
        with autocast(self.precision, images.device):
            return self.net(images, self.cond)

    def ascend(self, x: Tensor, low: Tensor, high: Tensor, y: Tensor, step: float, steps: int) -> Tensor | None:
        """Images x after signed steps up the cross-entropy with labels y, each of them back between `low` and `high`;
        None where the kernels do not make them: autograd then finds each gradient."""
        with autocast(self.precision, x.device):
            tape = self.net.tape(x, self.cond)
        hooks = self.net._forward_hooks or self.net._forward_pre_hooks  # they want to see each pass
        if tape is None or hooks or y.dtype != torch.int64 or y.device != x.device:
            return None
        return ascend(tape, self.cond, x, low, high, y, step, steps)
