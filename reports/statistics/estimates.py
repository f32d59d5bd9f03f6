"""Numbers with an interval at any confidence: the one rule for claims, tables and pages (docs/statistics.md).

Over two or more seeds an interval is Student's, of the mean of one number per seed: it speaks of training randomness on
this test set. For one seed it is over the test images (or what else one network has many of), image by image where it
is known which of them were right: it says nothing of another training, and `kind` says so wherever the number is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import bdtr, ndtri

from reports.statistics import intervals

IMAGES, CHANNELS, EXACT = "one seed: test images only", "one seed: channels only", "exact"
PAIRED = f"{IMAGES}, paired"


@dataclass(frozen=True)
class Estimate:
    """bounds: confidence → (low, high). kind: what the interval speaks of. keys: the networks it rests on."""

    value: float
    bounds: Callable[[float], tuple[float, float]]
    kind: str
    keys: frozenset[str] = field(default_factory=frozenset)


def over_seeds(values, rounding: float = 0.0) -> Estimate:
    """The mean of values (seeds,), two or more.

    rounding: variance that a value has because its counts are whole numbers. Two seeds with the same count would
    otherwise have an interval of no width, which at 450 images and 99 % is no rare thing.
    """
    values = np.asarray(values, float)
    return Estimate(float(values.mean()), partial(t_bounds, values, rounding), f"t over {len(values)} seeds")


def t_bounds(values: np.ndarray, rounding: float, confidence: float) -> tuple[float, float]:
    half = intervals.t_half_width(float(np.hypot(values.std(ddof=1), np.sqrt(rounding))), len(values), confidence)
    return float(values.mean()) - half, float(values.mean()) + half


def over_images(values) -> Estimate:
    """The mean of values (images,) of one seed's networks, each value from all the networks that are compared."""
    values = np.asarray(values, float)
    return Estimate(float(values.mean()), partial(t_bounds, values, 0.0), IMAGES)


def of_hits(coefficients, hits) -> Estimate:
    """Σ c·share in percent of one seed's networks on the same images, paired: over images, whatever hangs together.

    coefficients: (shares,), hits: (shares, n) booleans. The normal interval of the images' mean of Σ c·hit, to which
    two images are added, one with the largest value that there can be and one with the smallest: of two shares it is
    Bonett and Price's (J. Educ. Behav. Stat. 2012), which holds where few images, or none, differ.
    """
    c, hits = np.asarray(coefficients, float), np.asarray(hits, bool)
    values = np.append(c @ hits, [c[c > 0].sum(), c[c < 0].sum()])
    return Estimate(100 * float(c @ hits.mean(axis=1)), partial(normal_bounds, 100 * values), PAIRED)


def normal(value: float, error: float) -> Estimate:
    """A number of one seed's networks with its standard error over the test images, paired."""
    return Estimate(value, lambda confidence: symmetric(value, error, confidence), PAIRED)


def symmetric(value: float, error: float, confidence: float) -> tuple[float, float]:
    half = float(ndtri(0.5 + confidence / 2)) * error
    return value - half, value + half


def normal_bounds(values: np.ndarray, confidence: float) -> tuple[float, float]:
    return symmetric(float(values.mean()), float(values.std() / np.sqrt(len(values))), confidence)


def mcnemar(one, other) -> float:
    """McNemar's exact p that two networks are equally often right on the same images. one, other: (n,) booleans."""
    one, other = np.asarray(one, bool), np.asarray(other, bool)
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return float(min(1.0, 2 * bdtr(min(gained, lost), gained + lost, 0.5)))


def p_value(estimate: Estimate, at: float = 0.0) -> float:
    """Of the hypothesis that the number is `at`: one minus the confidence at which its interval just reaches it, so
    that interval and p agree; 10⁻⁹ at least."""
    low, high = -9.0, 0.0
    for _ in range(40):
        middle = (low + high) / 2
        first, last = estimate.bounds(1 - 10**middle)
        low, high = (middle, high) if first <= at <= last else (low, middle)
    return float(10**high)


def of_counts(coefficients: Sequence[float], correct: Sequence[int], n: Sequence[int], networks: Sequence) -> Estimate:
    """Σ c·k/n in percent of one seed's networks, with an interval over the test images. networks: whose share each is.

    Wilson's limits of each share are combined by the squares of their distances (MOVER: Zou and Donner, Statistics in
    Medicine 2008; of two shares it is Newcombe's interval), as if the shares were independent. They are of the same
    images, and so positively correlated, how strongly is not known from counts. What all networks have in common
    cancels in a difference of like and like, which errs towards a wider interval. What one network's shares have in
    common does not cancel in a mean over λ: those of one network and one sign are taken as wholly dependent.
    """
    c, k, n = (np.asarray(part, float) for part in (coefficients, correct, n))
    names = {name: place for place, name in enumerate(dict.fromkeys(networks))}
    groups = np.array([2 * names[name] + (one > 0) for name, one in zip(networks, c, strict=True)])
    return Estimate(100 * float(c @ (k / n)), partial(mover_bounds, c, k, n, groups), IMAGES)


def mover_bounds(c, k, n, groups, confidence: float) -> tuple[float, float]:
    """groups: (shares,), equal for those that move together, which then have coefficients c of one sign."""
    limits = np.stack(intervals.wilson(k, n, confidence)) - k / n
    moves = np.sort(c * limits, axis=0)  # down, up
    down, up = (np.sqrt((np.bincount(groups, weights=move) ** 2).sum()) for move in moves)
    value = c @ (k / n)
    return 100 * float(value - down), 100 * float(value + up)


def of_draws(value: float, draws) -> Estimate:
    """draws: (draws,), the number on other test images, see frontier.judged."""
    return Estimate(value, partial(percentiles, np.sort(np.asarray(draws, float))), IMAGES)


def percentiles(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.percentile(draws, [50 - 50 * confidence, 50 + 50 * confidence])
    return float(low), float(high)


def exact(values) -> Estimate:
    """What is counted, not measured. values: one per network, and more than one value only if they disagree."""
    low, high = float(min(values)), float(max(values))
    return Estimate(float(np.mean(values)), lambda confidence: (low, high), EXACT)


def ratio(logarithm: Estimate) -> Estimate:
    """A ratio from the estimate of its logarithm, so that the interval is positive."""

    def bounds(confidence: float) -> tuple[float, float]:
        low, high = np.exp(logarithm.bounds(confidence))
        return float(low), float(high)

    return replace(logarithm, value=float(np.exp(logarithm.value)), bounds=bounds)


def clipped(estimate: Estimate, low: float, high: float) -> Estimate:
    """The same with an interval that ends where the quantity does: no accuracy above 100 %."""
    return replace(estimate, bounds=lambda confidence: tuple(np.clip(estimate.bounds(confidence), low, high).tolist()))
