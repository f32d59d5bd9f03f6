"""Numbers with an interval at any confidence; claims, tables and pages share them (docs/statistics.md).

Two or more seeds: Student's t of one number per seed, about training randomness on this test set. One seed: about the
choice of test images (or channels), image by image, and not about another training; `kind` says which.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import bdtr, ndtri

from reports.statistics import intervals

IMAGES, CHANNELS, EXACT = "one seed: test images only", "one seed: channels only", "exact"
PAIRED = f"{IMAGES}, paired"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. bounds: confidence → (low, high). kind: source of its error. keys: its networks."""

    value: float
    bounds: Callable[[float], tuple[float, float]]
    kind: str
    keys: frozenset[str] = field(default_factory=frozenset)

    @property
    def one_seed(self) -> bool:
        """Whether the interval says nothing of another training, since only one seed was trained."""
        return self.kind in (IMAGES, PAIRED, CHANNELS)


def over_seeds(values, rounding: float = 0.0) -> Estimate:
    """Mean over seeds. values: (seeds,), two or more.

    rounding: variance of a value due to whole-number counts. Without it, two seeds with the same count would have an
    interval of no width, which is not rare at 450 images and 99 %.
    """
    values = np.asarray(values, float)
    return Estimate(float(values.mean()), partial(t_bounds, values, rounding), f"t over {len(values)} seeds")


def t_bounds(values: np.ndarray, rounding: float, confidence: float) -> tuple[float, float]:
    half = intervals.t_half_width(float(np.hypot(values.std(ddof=1), np.sqrt(rounding))), len(values), confidence)
    return float(values.mean()) - half, float(values.mean()) + half


def over_images(values) -> Estimate:
    """Mean over the test images of one seed. values: (images,), each from all networks that are compared."""
    values = np.asarray(values, float)
    return Estimate(float(values.mean()), partial(t_bounds, values, 0.0), IMAGES)


def of_accuracy(correct: int, n: int, factor: float = 1.0) -> Estimate:
    """factor · accuracy of one network in percent, with Wilson's interval."""

    def bounds(confidence: float) -> tuple[float, float]:
        low, high = sorted(100 * factor * float(bound) for bound in intervals.wilson(correct, n, confidence))
        return low, high

    return Estimate(100 * factor * correct / n, bounds, IMAGES)


def of_paired_images(coefficients, correct) -> Estimate:
    """Σ coefficient · accuracy in percent of one seed's networks on the same images, paired image by image.

    coefficients: (accuracies,), correct: (accuracies, n) booleans. Normal interval of the mean over images, with two
    images added, one of the largest and one of the smallest possible value. For two accuracies this is Bonett and
    Price's interval (J. Educ. Behav. Stat. 2012), which holds even if few images, or none, differ.
    """
    c, correct = np.asarray(coefficients, float), np.asarray(correct, bool)
    values = 100 * np.append(c @ correct, [c[c > 0].sum(), c[c < 0].sum()])
    bounds = partial(normal_bounds, float(values.mean()), float(values.std() / np.sqrt(len(values))))
    return Estimate(100 * float(c @ correct.mean(axis=1)), bounds, PAIRED)


def normal_bounds(value: float, error: float, confidence: float) -> tuple[float, float]:
    half = float(ndtri(0.5 + confidence / 2)) * error
    return value - half, value + half


def exact(values) -> Estimate:
    """Counted quantity without sampling error. values: one per network; the interval spans them if they disagree."""
    low, high = float(min(values)), float(max(values))
    return Estimate(float(np.mean(values)), lambda confidence: (low, high), EXACT)


def ratio(logarithm: Estimate) -> Estimate:
    """Ratio from the estimate of its logarithm, so that the interval is positive."""

    def bounds(confidence: float) -> tuple[float, float]:
        low, high = np.exp(logarithm.bounds(confidence))
        return float(low), float(high)

    return replace(logarithm, value=float(np.exp(logarithm.value)), bounds=bounds)


def clipped(estimate: Estimate, low: float, high: float) -> Estimate:
    """Clip the interval to the possible range, e.g. an accuracy to 0–100 %."""
    return replace(estimate, bounds=lambda confidence: tuple(np.clip(estimate.bounds(confidence), low, high).tolist()))


def p_value(estimate: Estimate, at: float = 0.0) -> float:
    """p of the hypothesis that the number is `at`, at least 10⁻⁹.

    One minus the confidence at which the interval just reaches `at`, so that interval and p agree.
    """
    low, high = -9.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        first, last = estimate.bounds(1 - 10**middle)
        low, high = (middle, high) if first <= at <= last else (low, middle)
    return float(10**high)


def mcnemar(correct, other_correct) -> float:
    """McNemar's exact p that two networks are equally often right on the same images. Both: (n,) booleans."""
    correct, other_correct = np.asarray(correct, bool), np.asarray(other_correct, bool)
    gained, lost = int((correct & ~other_correct).sum()), int((other_correct & ~correct).sum())
    return float(min(1.0, 2 * bdtr(min(gained, lost), gained + lost, 0.5)))
