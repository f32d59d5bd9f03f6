"""f(·, λ): an engine with a condition and a precision. Attacks and measurements take this, and know no λ."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.engines import Engine
from bench.engines.precision import autocast
from bench.models.dual_bn import Condition


@dataclass(frozen=True, eq=False)
class ConditionedModel:
    """Images (N, C, H, W) → logits (N, classes), computed in `precision`."""

    engine: Engine
    cond: Condition
    precision: str = "fp32"

    def __call__(self, images: Tensor) -> Tensor:
        with autocast(self.precision, images.device):
            return self.engine.logits(images, self.cond)

    def pgd(self, x: Tensor, low: Tensor, high: Tensor, y: Tensor, step: float, steps: int) -> Tensor | None:
        """Take the steps of PGD on the cross-entropy by the engine; None where autograd must (see Engine.pgd)."""
        with autocast(self.precision, x.device):
            return self.engine.pgd(x, low, high, y, step, steps, self.cond)


def model_at(
    engine: Engine,
    lam: float,
    device: torch.device,
    width: float = 1.0,
    branch: str | None = None,
    precision: str = "fp32",
) -> ConditionedModel:
    """f(·, λ) in eval mode at one λ for all images, at a width factor; through one `branch` of dual BN if given."""
    cond = engine.condition(torch.full((1,), lam, device=device), width=width, branch=branch, training=False)
    return ConditionedModel(engine, cond, precision)
