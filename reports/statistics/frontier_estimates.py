"""Distances between a method's SA–RA curve and the frontier, with intervals.

The distances are not linear in the accuracies. Over seeds they are of the mean curves, by the jackknife, with the
training variance of the panel's networks carried over by secants; for one seed they are about other test images, also
by secants, unless the pool has the training variance.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from reports.statistics import contrasts, estimates
from reports.statistics.contrasts import METRICS, Accuracy
from reports.statistics.estimates import Estimate
from reports.statistics.training_variance import Prior
from reports.statistics.variance_pool import VariancePool, has_room

LEAST_IMAGES = 1000  # for one seed: with fewer, SA is known no better than the curve's own steps (docs/statistics.md)

Distance = Callable[[np.ndarray, np.ndarray], float]  # (curve (points, 2), frontier (points, 2)) → number or NaN


@dataclass(frozen=True)
class Pair:
    """A curve and the frontier, points in order of λ.

    seeds: per common seed of all their networks, both in percent, (points, 2) each. correct: without two common seeds,
    which images were right, (points, 2, n) booleans each. pool: of the panel. counts: of both sides. points: of the
    curve, then of the frontier, SA and RA of each.
    """

    seeds: list[tuple[np.ndarray, np.ndarray]]
    correct: tuple[np.ndarray, np.ndarray] | None = None
    keys: frozenset[str] = frozenset()
    pool: VariancePool = field(default_factory=VariancePool)
    counts: contrasts.Counts = field(default_factory=dict)
    points: list[Accuracy] = field(default_factory=list)

    @property
    def curves(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Both curves in percent, per seed."""
        return self.seeds or [tuple(100 * side.mean(axis=-1) for side in self.correct)]


def pair_of(counts: contrasts.Counts, curve: list[Accuracy], frontier: list[Accuracy], pool: VariancePool) -> Pair:
    """Pair a curve with a frontier at these points; their metric is ignored. Raises MissingNetworks."""
    sides = [[[point._replace(metric=metric) for metric in METRICS] for point in side] for side in (curve, frontier)]
    accuracies = [accuracy for side in sides for point in side for accuracy in point]
    contrasts.require(counts, accuracies)
    seeds = contrasts.common_seeds(counts, accuracies)

    by_seed = [
        tuple(np.array([[counts[a][seed].percent for a in point] for point in side]) for side in sides)
        for seed in seeds
    ]
    shared = {"pool": pool, "counts": counts, "points": accuracies}
    if len(seeds) > 1:
        return Pair(by_seed, keys=frozenset(counts[a][seed].key for a in accuracies for seed in seeds), **shared)
    chosen = dict(zip(accuracies, contrasts.one_seed_counts(counts, accuracies), strict=True))
    correct = tuple(np.array([contrasts.decode(chosen[a] for a in point) for point in side]) for side in sides)
    return Pair(by_seed, correct, frozenset(count.key for count in chosen.values()), **shared)


def prior_of(pair: Pair, distance: Distance) -> Prior | None:
    """Prior of a distance, linearised: the secant over one standard error of each accuracy is its coefficient.

    None if the pool lacks a variance, or the distance a value nearby.
    """
    curve, frontier = (np.mean(side, axis=0) for side in zip(*pair.curves, strict=True))
    mean, coefficients = np.concatenate([curve, frontier]).ravel(), {}
    at = of_flat(distance, len(curve))
    for place, accuracy in enumerate(pair.points):
        prior = pair.pool.prior_of(pair.counts, {accuracy: 1.0})
        if prior is None:
            coefficients[accuracy] = 0.0
            if has_room(pair.counts[accuracy]):
                return None
            continue
        step = np.sqrt(prior.variance / len(pair.curves)) * (np.arange(len(mean)) == place)
        coefficients[accuracy] = (at(mean + step) - at(mean - step)) / (2 * step[place])
    if np.isnan(list(coefficients.values())).any():
        return None
    return pair.pool.prior_of(pair.counts, {accuracy: c for accuracy, c in coefficients.items() if c})


def of_flat(distance: Distance, curve_points: int) -> Callable[[np.ndarray], float]:
    """The distance as a function of one array: SA and RA of the curve's points, then of the frontier's."""
    return lambda flat: distance(*np.split(flat.reshape(-1, 2), [curve_points]))


def by_secants(correct: tuple[np.ndarray, np.ndarray], distance: Distance) -> Estimate | None:
    """Estimate on other test images, paired: a normal interval, with the variance from secants.

    correct: (points, 2, n) booleans of the curve and of the frontier. Along each principal axis of the points'
    covariance over images, the distance is taken one standard error to either side; the squares of half the differences
    add up. For a linear distance this is the delta method. With the corners of curves, a bootstrap counts the images'
    noise twice and covers the truth 98–99 times in 100, secants 94–98 (docs/statistics.md). None without a value.
    """
    flat = np.concatenate([side.reshape(-1, side.shape[-1]) for side in correct]).astype(float)
    mean = 100 * flat.mean(axis=1)
    at = of_flat(distance, len(correct[0]))
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(flat)) / flat.shape[1])
    steps = 100 * np.sqrt(np.maximum(variances, 0)) * axes  # columns; a singular covariance has steps of 0
    halves = np.array([at(mean + step) - at(mean - step) for step in steps.T]) / 2
    value = at(mean)
    if np.isnan(value) or np.isnan(halves).any():
        return None
    bounds = partial(estimates.normal_bounds, value, float(np.sqrt(halves @ halves)))
    return Estimate(value, bounds, estimates.PAIRED)


def by_jackknife(
    seeds: list[tuple[np.ndarray, np.ndarray]], distance: Distance, prior: Prior | None = None
) -> Estimate | None:
    """Estimate for the mean curves over seeds, with Student's interval of Tukey's jackknife (1958) over seeds.

    For a linear distance this is the t interval over seeds. The mean of single seeds' distances would keep the bias of
    one seed's noise at any number of seeds, because noise shortens the SA range that curves share: its interval covered
    an area 91 times in 100 at 5 seeds. None without a value.
    """
    curves, frontiers = (np.array(side) for side in zip(*seeds, strict=True))

    def of_means(keep: np.ndarray) -> float:
        return distance(curves[keep].mean(axis=0), frontiers[keep].mean(axis=0))

    everyone = np.arange(len(seeds))
    left_out = np.array([of_means(np.delete(everyone, seed)) for seed in everyone])
    value = of_means(everyone)
    if np.isnan(value) or np.isnan(left_out).any():
        return None
    return estimates.over_seeds(value + (len(seeds) - 1) * (left_out.mean() - left_out), prior=prior)


def too_few_images(pair: Pair) -> str:
    """Reason why one seed's gap or area has no interval; empty if it has one."""
    if len(pair.seeds) > 1 or pair.correct[0].shape[-1] >= LEAST_IMAGES:
        return ""
    images = pair.correct[0].shape[-1]
    return f"one seed on {images:,} test images, and {LEAST_IMAGES:,} or a second seed are needed"


def estimate_distance(pair: Pair, distance: Distance) -> Estimate | None:
    """Estimate a distance between the curves of a pair; None if it has no value, also without one seed."""
    prior = prior_of(pair, distance)
    if len(pair.seeds) > 1:
        estimate = by_jackknife(pair.seeds, distance, prior)
    elif prior is None:
        estimate = by_secants(pair.correct, distance)
    else:
        estimate = estimates.of_one_training(distance(*pair.curves[0]), prior)
    return estimate and replace(estimate, keys=pair.keys)
