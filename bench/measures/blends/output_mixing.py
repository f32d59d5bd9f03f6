"""Mix the outputs of an accurate network g and a robust network h by a constant α: no training, two networks per image.

Probabilities: f = log((1-α)·softmax(g) + α·softmax(h)), the mixed classifier of adaptive smoothing (Bai et al., SIAM J.
Math. Data Science 2024, arXiv 2301.12554) with a constant α. Logits: f = (1-α)·g + α·h.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.data import Dataset
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel, model_at
from bench.spec.measurement import Measurement

Combine = Callable[[Tensor, Tensor, float], Tensor]  # logits of g and h (N, classes), α → logits of the mixture


@dataclass(frozen=True)
class Mixture:
    """parts: g and h. combine: the mixture; surrogates: further combinations that an attack goes through."""

    parts: tuple[ConditionedModel, ConditionedModel]
    combine: Combine
    surrogates: tuple[Combine, ...] = ()

    def at(self, alpha: float) -> tuple[Callable[[Tensor], Tensor], ...]:
        """The mixture and its surrogates at α, images → logits; g itself at α = 0 and h itself at α = 1."""
        if alpha in (0, 1):
            return (self.parts[int(alpha)],)
        return tuple(self.combined_by(combine, alpha) for combine in (self.combine, *self.surrogates))

    def combined_by(self, combine: Combine, alpha: float) -> Callable[[Tensor], Tensor]:
        accurate, robust = self.parts
        return lambda images: combine(accurate(images).float(), robust(images).float(), alpha)


def probabilities(ends: Sequence[Engine], data: Dataset, measurement: Measurement) -> Mixture:
    """Mix probabilities. ends: the engines of PGD-AT λ=0 and λ=1."""
    return Mixture(parts_of(ends, data, measurement), mix_probabilities)


def logits(ends: Sequence[Engine], data: Dataset, measurement: Measurement) -> Mixture:
    """Mix logits. ends: the engines of PGD-AT λ=0 and λ=1."""
    return Mixture(parts_of(ends, data, measurement), torch.lerp)


def parts_of(ends: Sequence[Engine], data: Dataset, measurement: Measurement) -> tuple[ConditionedModel, ...]:
    """Both networks, each at its one λ."""
    device, width = data.train.images.device, measurement.width
    return tuple(model_at(end, end.net.recipe.lam, device, width) for end in ends)


def mix_probabilities(accurate: Tensor, robust: Tensor, alpha: float) -> Tensor:
    """Logarithm of the mixed probabilities, computed from logarithms: probabilities near 0 keep their gradients."""
    accurate, robust = accurate.log_softmax(1) + math.log1p(-alpha), robust.log_softmax(1) + math.log(alpha)
    return torch.logaddexp(accurate, robust)
