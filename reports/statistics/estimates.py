"""Numbers with an interval at any confidence; claims, tables and pages share them (docs/statistics.md).

Two or more seeds: Student's t of one number per seed, about training randomness on this test set, moderated if the
panel's other networks say how much trainings vary. One seed: with such networks about trainings too, otherwise about
the choice of test images (or channels), image by image, and not about another training; `kind` says which.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import bdtr, ndtri, stdtrit

from reports.statistics import intervals
from reports.statistics.training_variance import Prior

IMAGES, CHANNELS, EXACT = "one seed: test images only", "one seed: channels only", "exact"
PAIRED = f"{IMAGES}, paired"


@dataclass(frozen=True)
class Spread:
    """Variation of a number between trainings, from which further seeds can be planned.

    sd: of one seed, of the logarithm if `logarithmic`. seeds: number measured. prior: of the panel's networks, or None.
    """

    sd: float
    seeds: int
    prior: Prior | None = None
    logarithmic: bool = False

    def half_width(self, seeds: int, confidence: float) -> float:
        """Half-width of the interval of a mean over this many seeds, at the same variance."""
        own_df = seeds - 1
        df = self.prior.posterior(0.0, own_df)[1] if self.prior else own_df
        return float(stdtrit(df, 0.5 + confidence / 2) * self.sd / np.sqrt(seeds)) if df > 0 else float("inf")


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. bounds: confidence → (low, high). kind: source of its error. keys: its networks.

    spread: between trainings; None if the interval is not about trainings.
    """

    value: float
    bounds: Callable[[float], tuple[float, float]]
    kind: str
    keys: frozenset[str] = field(default_factory=frozenset)
    spread: Spread | None = None

    @property
    def one_seed(self) -> bool:
        """Whether the interval says nothing of another training, since only one seed was trained."""
        return self.kind in (IMAGES, PAIRED, CHANNELS)

    @property
    def interval(self) -> dict:
        """{"value", "low", "high", "kind"} at 95 %."""
        low, high = self.bounds(intervals.CONFIDENCE)
        return {"value": self.value, "low": low, "high": high, "kind": self.kind}


def over_seeds(values, rounding: float = 0.0, prior: Prior | None = None) -> Estimate:
    """Mean over seeds. values: (seeds,), two or more. prior: of their variance; None: Student's t of the values alone.

    rounding: variance of a value due to whole-number counts. Without it, two seeds with the same count would have an
    interval of no width, which is not rare at 450 images and 99 %.
    """
    values = np.asarray(values, float)
    variance, seeds = float(values.var(ddof=1)) + rounding, len(values)
    squeezed = prior.posterior(variance, seeds - 1)[0] if prior else variance
    kind = f"moderated t over {seeds} seeds" if prior else f"t over {seeds} seeds"
    return of_trainings(float(values.mean()), Spread(float(np.sqrt(squeezed)), seeds, prior), kind)


def of_one_training(value: float, prior: Prior) -> Estimate:
    """Number of one seed, about trainings: its variance is that of other networks, which `kind` names."""
    source = f" of {prior.source}" if prior.source else ""
    kind = f"one seed, training variance of {prior.networks} networks{source}"
    return of_trainings(value, Spread(float(np.sqrt(prior.variance)), 1, prior), kind)


def of_trainings(value: float, spread: Spread, kind: str) -> Estimate:
    def bounds(confidence: float) -> tuple[float, float]:
        half = spread.half_width(spread.seeds, confidence)
        return value - half, value + half

    return Estimate(value, bounds, kind, spread=spread)


def over_images(values) -> Estimate:
    """Mean over the test images of one seed, Student's t. values: (images,), each from all compared networks."""
    return replace(over_seeds(values), kind=IMAGES, spread=None)


def of_accuracy(correct: int, n: int, factor: float = 1.0) -> Estimate:
    """factor · accuracy of one network in percent, with Wilson's interval."""

    def bounds(confidence: float) -> tuple[float, float]:
        return tuple(sorted(100 * factor * float(bound) for bound in intervals.wilson(correct, n, confidence)))

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


def exact(values, keys: Iterable[str] = ()) -> Estimate:
    """Counted quantity without sampling error. values: one per network; the interval spans them if they disagree."""
    low, high = float(min(values)), float(max(values))
    return Estimate(float(np.mean(values)), lambda confidence: (low, high), EXACT, frozenset(keys))


def ratio(logarithm: Estimate) -> Estimate:
    """Ratio from the estimate of its logarithm, so that the interval is positive."""
    return replace(
        logarithm,
        value=float(np.exp(logarithm.value)),
        bounds=lambda confidence: tuple(np.exp(logarithm.bounds(confidence)).tolist()),
        spread=logarithm.spread and replace(logarithm.spread, logarithmic=True),
    )


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
