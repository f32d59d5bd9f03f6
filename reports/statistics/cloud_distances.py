"""Distances between clouds of points, and how far one cloud stands apart from the others (Fig. 2)."""

import numpy as np
from scipy.special import ndtri

from reports.statistics import intervals


def standardised(clouds: list[np.ndarray]) -> list[np.ndarray]:
    """Every axis in units of the clouds' pooled standard deviation, each about its own mean: so axes of different units
    count alike, and the unit does not grow as clouds move apart. clouds: of shape (points, axes) each."""
    pooled = np.sqrt(np.mean([cloud.var(axis=0, ddof=1) for cloud in clouds], axis=0))
    return [cloud / np.where(pooled > 0, pooled, 1.0) for cloud in clouds]


def row_sums(clouds: list[np.ndarray]) -> list[list[np.ndarray]]:
    """[a][b][i]: Euclidean distances from point i of cloud a to all points of cloud b, summed."""
    from scipy.spatial.distance import cdist  # here, because only Fig. 2 needs it

    return [[cdist(one, other).sum(axis=1) for other in clouds] for one in clouds]


def energy(means: np.ndarray) -> np.ndarray:
    """Energy distance, (2 E|X−Y| − E|X−X'| − E|Y−Y'|)^½ (Székely and Rizzo, 2013), between every two clouds.

    means: (k, k), mean distance from a point of one cloud to a point of another. It is a metric: 0 only between equal
    clouds. The clouds are taken as they are, not as samples of something larger.
    """
    own = np.diag(means)
    squared = 2 * means - own[:, None] - own[None, :]
    return np.sqrt(np.where(squared > 1e-12 * means, squared, 0.0))  # rounding leaves a little between equal clouds


def distances(clouds: list[np.ndarray]) -> np.ndarray:
    """(k, k) energy distances of clouds (points, axes)."""
    return energy(np.array([[sums.mean() / len(clouds[b]) for b, sums in enumerate(row)] for row in row_sums(clouds)]))


def isolation(found: np.ndarray) -> dict[str, float]:
    """How the first cloud stands to the others, which come in order of λ. found: (k, k) distances, k ≥ 3.

    `ratio`: its mean distance to the others over their mean distance from each other. `step_ratio`: its distance to the
    second cloud over the largest distance between any two others. Clouds in equal steps along a line give a `ratio` of
    up to 1.5 at either end, however many they are: only against that of λ=1, the other end, does λ=0's say something.
    """
    others = found[1:, 1:][np.triu_indices(len(found) - 1, k=1)]
    apart = {"apart": found[0, 1:].mean(), "mutual": others.mean(), "step": found[0, 1], "largest": others.max()}
    with np.errstate(divide="ignore", invalid="ignore"):
        return apart | {"ratio": apart["apart"] / apart["mutual"], "step_ratio": apart["step"] / apart["largest"]}


def leave_one_out(clouds: list[np.ndarray], statistic) -> list[np.ndarray]:
    """Per cloud (points,): `statistic` of the distances without that point. statistic: (k, k) → float."""
    sums, sizes = row_sums(clouds), np.array([len(cloud) for cloud in clouds], float)
    totals = np.array([[part.sum() for part in row] for row in sums])
    found = []
    for a, size in enumerate(sizes):
        values = []
        for i in range(len(clouds[a])):
            total, count = totals.copy(), sizes.copy()
            lost = np.array([part[i] for part in sums[a]])
            total[a] -= lost
            total[:, a] -= lost  # twice from the cloud to itself: as its row and as its column
            count[a] = size - 1
            values.append(statistic(energy(total / np.outer(count, count))))
        found.append(np.array(values))
    return found


def jackknife(clouds: list[np.ndarray], name: str, confidence: float = 0.95) -> tuple[float, float, float]:
    """A ratio of `isolation` and its interval over the points of the clouds, which are drawn independently of each
    other: the jackknife of the logarithm, so that the interval is positive. For a single seed."""
    value = isolation(distances(clouds))[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        left = leave_one_out(clouds, lambda found: np.log(isolation(found)[name]))
        spread = np.sqrt(sum((len(part) - 1) * part.var() for part in left))
    reach = np.exp(ndtri(0.5 + confidence / 2) * spread)
    return float(value), float(value / reach), float(value * reach)


def over_seeds(ratios) -> tuple[float, float, float]:
    """Geometric mean of ratios (seeds,), two or more, and its t interval, taken of the logarithms."""
    return tuple(float(np.exp(value)) for value in intervals.t_interval(np.log(ratios)))


def compare(seeds: list[list[np.ndarray]]) -> dict:
    """`isolation` of the first cloud, mean over seeds, with intervals of both ratios.

    seeds: per seed its clouds (points, axes), in units of `standardised`. Adds ratio_low, ratio_high, step_ratio_low,
    step_ratio_high (t over seeds; jackknife over points for one seed), and `floor`: the mean distance between two
    seeds' clouds of the same λ, which is what a distance means nothing below; NaN for one seed.
    """
    found = [isolation(distances(clouds)) for clouds in seeds]
    result = {name: float(np.mean([one[name] for one in found])) for name in ("apart", "mutual", "step", "largest")}
    for name in ("ratio", "step_ratio"):
        one = over_seeds([one[name] for one in found]) if len(found) > 1 else jackknife(seeds[0], name)
        result |= dict(zip((name, f"{name}_low", f"{name}_high"), one, strict=True))
    alike = [distances(list(same))[np.triu_indices(len(seeds), k=1)] for same in zip(*seeds, strict=True)]
    return result | {"floor": float(np.mean(alike)) if len(seeds) > 1 else float("nan")}
