"""Distances between clouds of points, and how far one cloud stands apart from the others (Fig. 2)."""

from functools import partial

import numpy as np

from reports.statistics import estimates
from reports.statistics.estimates import CHANNELS, Estimate
from reports.statistics.intervals import CONFIDENCE


def standardised(seeds: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """Divide every axis by the standard deviation within clouds, pooled over them.

    seeds: per seed its clouds (points, axes). Axes of different units then count alike, and the scale does not grow as
    clouds move apart.
    """
    pooled = np.sqrt(np.mean([cloud.var(axis=0, ddof=1) for clouds in seeds for cloud in clouds], axis=0))
    return [[cloud / np.where(pooled > 0, pooled, 1.0) for cloud in clouds] for clouds in seeds]


def row_sums(clouds: list[np.ndarray]) -> list[np.ndarray]:
    """Per cloud (clouds, points): sum of Euclidean distances from each of its points to all points of every cloud."""
    from scipy.spatial.distance import cdist  # slow to import, and only Fig. 2 needs it

    return [np.array([cdist(cloud, other).sum(axis=1) for other in clouds]) for cloud in clouds]


def energy(means: np.ndarray) -> np.ndarray:
    """Energy distance, (2 E|X−Y| − E|X−X'| − E|Y−Y'|)^½ (Székely and Rizzo, 2013), between every two clouds.

    means: (…, k, k), mean distance from a point of one cloud to a point of another. A metric: 0 only between equal
    clouds. The clouds count as whole populations, not as samples.
    """
    within = np.diagonal(means, axis1=-2, axis2=-1)
    squared = 2 * means - within[..., :, None] - within[..., None, :]
    return np.sqrt(np.where(squared > 1e-12 * means, squared, 0.0))  # rounding leaves a little between equal clouds


def distances(clouds: list[np.ndarray]) -> np.ndarray:
    """Energy distances (k, k) of clouds (points, axes)."""
    sizes = [len(cloud) for cloud in clouds]
    return energy(np.array([sums.mean(axis=1) / sizes for sums in row_sums(clouds)]))


def isolation(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Distances of the first cloud from the others, which follow in order of λ. matrix: (…, k, k) distances, k ≥ 3.

    apart: mean distance to the others; mutual: mean distance among the others; step: distance to the second cloud;
    largest: largest distance between two others; ratio: apart / mutual; step_ratio: step / largest. Clouds in equal
    steps along a line have a ratio of up to 1.5 at either end, however many they are, so the ratio of λ=0 is to be
    compared with that of λ=1, the other end.
    """
    first, others = matrix[..., 0, 1:], matrix[..., 1:, 1:][..., *np.triu_indices(matrix.shape[-1] - 1, k=1)]
    numbers = {"apart": first.mean(axis=-1), "mutual": others.mean(axis=-1)}
    numbers |= {"step": first[..., 0], "largest": others.max(axis=-1)}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {"ratio": numbers["apart"] / numbers["mutual"], "step_ratio": numbers["step"] / numbers["largest"]}
    return numbers | ratios


def leave_one_out(clouds: list[np.ndarray], statistic) -> list[np.ndarray]:
    """Per cloud (points,): `statistic` of the distances without that point. statistic: (points, k, k) → (points,)."""
    sums, sizes = row_sums(clouds), np.array([len(cloud) for cloud in clouds], float)
    totals = np.array([of_cloud.sum(axis=1) for of_cloud in sums])
    by_cloud = []
    for a, of_cloud in enumerate(sums):
        total, count = np.repeat(totals[None], len(clouds[a]), axis=0), sizes - (np.arange(len(sizes)) == a)
        total[:, a] -= of_cloud.T
        total[:, :, a] -= of_cloud.T  # twice from the cloud to itself: as its row and as its column
        by_cloud.append(statistic(energy(total / np.outer(count, count))))
    return by_cloud


def jackknife(clouds: list[np.ndarray], name: str) -> Estimate:
    """Number of `isolation` with its interval over the points of the clouds, for a single seed.

    Jackknife of the logarithm, so that the interval is positive; the clouds' points are independent of each other.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(isolation(distances(clouds))[name])
        replicates = leave_one_out(clouds, lambda matrix: np.log(isolation(matrix)[name]))
        error = np.sqrt(sum((len(part) - 1) * part.var() for part in replicates))
    return estimates.ratio(Estimate(value, partial(estimates.normal_bounds, value, error), CHANNELS))


def estimate_isolation(seeds: list[list[np.ndarray]], name: str) -> Estimate:
    """Number of `isolation`: over seeds by its logarithm, for one seed by the jackknife over the points of its clouds.

    seeds: per seed its clouds (points, axes), `standardised`.
    """
    if len(seeds) == 1:
        return jackknife(seeds[0], name)
    return estimates.ratio(estimates.over_seeds(np.log([isolation(distances(clouds))[name] for clouds in seeds])))


def compare(seeds: list[list[np.ndarray]]) -> dict:
    """Mean `isolation` of the first cloud over seeds, with intervals of both ratios.

    seeds: per seed its clouds (points, axes), `standardised`. Adds ratio_low, ratio_high, step_ratio_low and
    step_ratio_high (t over seeds; jackknife over points for one seed), and `floor`: the mean distance between two
    seeds' clouds of the same λ, below which a distance is meaningless; NaN for one seed.
    """
    by_seed = [isolation(distances(clouds)) for clouds in seeds]
    result = {name: float(np.mean([numbers[name] for numbers in by_seed])) for name in by_seed[0]}
    for name in ("ratio", "step_ratio"):
        estimate = estimate_isolation(seeds, name)
        low, high = estimate.bounds(CONFIDENCE)
        result |= {name: estimate.value, f"{name}_low": low, f"{name}_high": high}
    same_lambda = [distances(list(clouds))[np.triu_indices(len(seeds), k=1)] for clouds in zip(*seeds, strict=True)]
    return result | {"floor": float(np.mean(same_lambda)) if len(seeds) > 1 else float("nan")}
