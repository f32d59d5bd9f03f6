"""An engine that computes by another one and records every forward pass."""

from dataclasses import dataclass

from torch import Tensor

from bench.engines import Engine
from bench.models.dual_bn import Condition


@dataclass(frozen=True)
class Pass:
    """A forward pass: images (N, C, H, W), their condition, logits (N, classes); None in a PGD step by the engine."""

    images: Tensor
    cond: Condition
    logits: Tensor | None


class RecordingEngine:
    """Wrap an engine. `passes` lists its forward passes, also of the PGD steps that the engine takes itself."""

    def __init__(self, engine: Engine):
        self.engine, self.passes = engine, []

    def __getattr__(self, name: str):
        return getattr(self.engine, name)

    def logits(self, x: Tensor, cond: Condition) -> Tensor:
        logits = self.engine.logits(x, cond)
        self.passes.append(Pass(x.detach().clone(), cond, logits.detach().clone()))
        return logits

    def pgd(self, x, low, high, y, step, steps, cond) -> Tensor | None:
        for _ in range(steps):
            moved = self.engine.pgd(x, low, high, y, step, 1, cond)
            if moved is None:
                return None
            self.passes.append(Pass(x.detach().clone(), cond, None))
            x = moved
        return x

    def modes(self) -> list[str]:
        """The mode of each pass: "train" or "eval"."""
        return ["train" if each.cond.training else "eval" for each in self.passes]
