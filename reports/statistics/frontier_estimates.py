"""Distances between two SA–RA curves with their intervals.

Neither is linear in the accuracies. Over seeds they are of the mean curves, by the jackknife; for one seed, on other
test images: by secants where it is known which images were right, else by a parametric bootstrap of the counts.
"""

from dataclasses import dataclass, replace

import numpy as np

from reports.statistics import contrasts, estimates, frontier_distance
from reports.statistics.contrasts import METRICS, Cell
from reports.statistics.estimates import Estimate

DRAWS = 2000
LEAST_IMAGES = 1000  # of one seed: with fewer, SA is known no better than the curve's own steps (docs/statistics.md)
FEW = 0.02  # the part of draws that may share no SA range before a number on them is not to be told


@dataclass(frozen=True)
class Pair:
    """A curve and the frontier, points in order of λ.

    seeds: per seed common to all their networks, both as percent, (points, 2) each. counts: of one seed, (points, 3)
    each: images, clean and robust correct. names: of that seed, each point's network. hits: of that seed, which images
    were right, (points, 2, n) booleans each, or None where that is not known.
    """

    seeds: list[tuple[np.ndarray, np.ndarray]]
    counts: tuple[np.ndarray, np.ndarray]
    names: tuple[list[str], list[str]]
    keys: frozenset[str] = frozenset()
    hits: tuple[np.ndarray, np.ndarray] | None = None


def pair_of(found: contrasts.Cells, curve: list[Cell], frontier: list[Cell]) -> Pair:
    """The cells name points; their metric does not matter. Raises Absent where one has no network."""
    table = [[[point._replace(metric=metric) for metric in METRICS] for point in side] for side in (curve, frontier)]
    every = [cell for side in table for point in side for cell in point]
    contrasts.require(found, every)
    seeds = contrasts.common_seeds(found, every)

    def percent(side, seed: int) -> np.ndarray:
        return np.array([[100 * found[c][seed].correct / found[c][seed].n for c in point] for point in side])

    first = dict(zip(every, contrasts.one_each(found, every), strict=True))
    counts = tuple(np.array([[first[sa].n, first[sa].correct, first[ra].correct] for sa, ra in s]) for s in table)
    names = tuple([first[sa].key for sa, _ in side] for side in table)
    used = (found[cell][seed] for cell in every for seed in seeds) if len(seeds) > 1 else first.values()
    pairs = [tuple(percent(side, seed) for side in table) for seed in seeds]
    images = {count.n for count in first.values()}
    known = len(images) == 1 and all(count.hits for count in first.values())
    hits = None
    if known and len(seeds) < 2:
        hits = tuple(np.array([contrasts.decoded(first[cell] for cell in point) for point in side]) for side in table)
    return Pair(pairs, counts, names, frozenset(count.key for count in used), hits)


def redrawn(counts: np.ndarray, names: list[str], draws: int, rng: np.random.Generator) -> np.ndarray:
    """The curve on other test images, percent (draws, points, 2). counts: (points, 3).

    An image counted robust is counted clean too, so robust is drawn within clean. One network's points are of the same
    images; how strongly they move together is not known from counts, so they are drawn at one level of their binomials,
    as if wholly dependent. Different networks are drawn apart: what all networks have in common cancels in the gap
    between two curves. So the interval errs towards a wider one.
    """
    from scipy.stats import binom  # here: it takes as long to import as a figure to draw, and few reports need it

    n, clean, robust = counts.T
    places = np.unique(names, return_inverse=True)[1]
    levels = rng.uniform(size=(draws, places.max() + 1, 2))[:, places]
    new_clean = binom.ppf(levels[..., 0], n, clean / n)
    new_robust = binom.ppf(levels[..., 1], new_clean, np.minimum(robust / np.maximum(clean, 1), 1))
    return 100 * np.stack([new_clean, new_robust], axis=-1) / n[:, None]


def by_secants(hits: tuple, statistic) -> Estimate | None:
    """The estimate on other test images, paired: a normal interval, with the variance from secants.

    hits: (points, 2, n) booleans of the curve and of the frontier. Along each principal axis of the points' covariance
    over images the statistic is taken one standard error to either side, and the squares of half the differences add
    up. Where the statistic is linear that is the delta method; where curves have corners a bootstrap, which sees the
    images' noise twice, holds the truth 98–99 times in 100, and this 94–98 (docs/statistics.md). None without a value.
    """
    flat = np.concatenate([side.reshape(-1, side.shape[-1]) for side in hits]).astype(float)
    mean, first = 100 * flat.mean(axis=1), 2 * len(hits[0])

    def at(points: np.ndarray) -> float:
        return statistic(points[:first].reshape(-1, 2), points[first:].reshape(-1, 2))

    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(flat)) / flat.shape[1])
    steps = 100 * np.sqrt(np.maximum(variances, 0)) * axes  # columns; a covariance that is singular has steps of 0
    halves = np.array([at(mean + step) - at(mean - step) for step in steps.T]) / 2
    value = at(mean)
    if np.isnan(value) or np.isnan(halves).any():
        return None
    return estimates.normal(value, float(np.sqrt(halves @ halves)))


def by_jackknife(seeds: list[tuple[np.ndarray, np.ndarray]], statistic) -> Estimate | None:
    """The estimate of the means over seeds, both curves and frontiers: what is drawn. Student's interval of Tukey's
    jackknife (1958), each seed left out in turn; of a linear statistic that is the t interval over seeds.

    The mean of single seeds' statistics would keep the bias of a single seed's noise however many seeds there are: the
    ends of the SA that noisy curves share move inwards. Its interval held an area 91 times in 100 at 5 seeds.
    """
    curves, frontiers = (np.array(side) for side in zip(*seeds, strict=True))

    def of_means(keep: np.ndarray) -> float:
        return statistic(curves[keep].mean(axis=0), frontiers[keep].mean(axis=0))

    every = np.arange(len(seeds))
    left_out = np.array([of_means(np.delete(every, seed)) for seed in every])
    value = of_means(every)
    if np.isnan(value) or np.isnan(left_out).any():
        return None
    return estimates.over_seeds(value + (len(seeds) - 1) * (left_out.mean() - left_out))


def too_few(pair: Pair) -> str:
    """Why one seed's gap or area to the frontier has no interval, or an empty text."""
    images = int(min(side[:, 0].min() for side in pair.counts))
    if len(pair.seeds) > 1 or images >= LEAST_IMAGES:
        return ""
    return f"one seed on {images:,} test images, and {LEAST_IMAGES:,} or a second seed are needed"


def judged(pair: Pair, statistic, draws: int = DRAWS) -> Estimate | None:
    """The estimate of statistic(curve (points, 2), frontier (points, 2)), NaN where it has no value; None if the mean
    curves without one seed, or more than a few draws, have none."""
    if len(pair.seeds) > 1:
        found = by_jackknife(pair.seeds, statistic)
        return found and replace(found, keys=pair.keys)
    if pair.hits is not None:
        found = by_secants(pair.hits, statistic)
        return found and replace(found, keys=pair.keys)
    value, rng = statistic(*map(frontier_distance.percent, pair.counts)), np.random.default_rng(0)
    curves, frontiers = (redrawn(*one, draws, rng) for one in zip(pair.counts, pair.names, strict=True))
    values = np.array([statistic(*both) for both in zip(curves, frontiers, strict=True)])
    if np.isnan(value) or np.isnan(values).mean() > FEW:
        return None
    return replace(estimates.of_draws(value, values[~np.isnan(values)]), keys=pair.keys)
