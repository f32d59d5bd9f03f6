"""Intervals and comparisons of SA–RA curves: pure functions on arrays, nothing about files or plots."""

import numpy as np
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95


def wilson(k, n, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval for k successes of n.

    k, n: (...), counts. Returns low, high: (...), fractions in [0,1].
    """
    k, n = np.asarray(k, float), np.asarray(n, float)
    z = ndtri(0.5 + confidence / 2)
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    # at k = 0 and k = n rounding may leave the rate itself just outside, and no error bar is longer than nothing
    return np.clip(np.minimum(centre - half, k / n), 0, 1), np.clip(np.maximum(centre + half, k / n), 0, 1)


def t_interval(values, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Student's interval for the mean. values: (seeds,), at least two. Returns mean, low, high."""
    values = np.asarray(values, float)
    if len(values) < 2:
        raise ValueError("a t interval needs at least two seeds; take wilson for one")
    half = t_half_width(values.std(ddof=1), len(values), confidence)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def t_half_width(sd: float, n: int, confidence: float = CONFIDENCE) -> float:
    """Half the width of Student's interval for a mean of n values with sample standard deviation sd; NaN for one."""
    return float(stdtrit(n - 1, 0.5 + confidence / 2) * sd / np.sqrt(n)) if n > 1 else float("nan")


def monotone_within_intervals(lows, highs, rising: bool = True) -> bool:
    """Whether some non-decreasing (or non-increasing) curve passes through every interval.

    lows, highs: (points,), in order of λ. With lows = highs = the means it is plain monotonicity. A `no` is therefore a
    reversal that the intervals do not explain; a `yes` with wide intervals says little.
    """
    lows, highs = np.asarray(lows, float), np.asarray(highs, float)
    if not rising:
        lows, highs = -highs, -lows
    return bool(np.all(np.maximum.accumulate(lows) <= highs))


def as_function(curve) -> tuple[np.ndarray, np.ndarray]:
    """RA as a function of SA. curve: (points, 2), SA and RA. Returns ascending SA and RA; equal SA are averaged."""
    curve = np.asarray(curve, float)
    sa, where = np.unique(curve[:, 0], return_inverse=True)
    return sa, np.bincount(where, weights=curve[:, 1]) / np.bincount(where)


def common_range(curve, frontier) -> tuple[float, float] | None:
    """The SA range that both curves cover, none if they share none. curve, frontier: (points, 2)."""
    curve, frontier = np.asarray(curve, float), np.asarray(frontier, float)
    if not len(curve) or not len(frontier):
        return None
    low = max(curve[:, 0].min(), frontier[:, 0].min())
    high = min(curve[:, 0].max(), frontier[:, 0].max())
    return (float(low), float(high)) if high > low else None


def distance_to_frontier(curve, frontier) -> float:
    """Mean vertical gap (RA, percentage points) over the common SA range; positive where the curve lies above.

    curve, frontier: (points, 2), SA and RA in percent. Both are joined by straight lines in order of SA, and the area
    between them is exact. NaN where the two share no SA range.
    """
    shared = common_range(curve, frontier)
    if shared is None:
        return float("nan")
    low, high = shared
    (x, y), (fx, fy) = as_function(curve), as_function(frontier)
    knots = np.unique(np.clip(np.concatenate([x, fx, [low, high]]), low, high))
    return float(np.trapezoid(np.interp(knots, x, y) - np.interp(knots, fx, fy), knots) / (high - low))


def gaps_by_seed(curves, frontiers) -> np.ndarray:
    """(seeds,), the gap of each seed; seeds without a common SA range are left out.

    curves, frontiers: lists over seeds of (points, 2); seed i meets seed i. Runs are independent, so the pairing is
    arbitrary, and the gaps are independent too: t_interval holds for their mean.
    """
    gaps = np.array([distance_to_frontier(c, f) for c, f in zip(curves, frontiers, strict=True)])
    return gaps[~np.isnan(gaps)]


def percent(counts) -> np.ndarray:
    """counts: (..., points, 3): images, clean and robust correct. Returns (..., points, 2): SA and RA in percent."""
    counts = np.asarray(counts, float)
    return 100 * counts[..., 1:] / counts[..., :1]


def resampled(counts, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Parametric bootstrap of counts (points, 3): other test images, the same networks. Returns (draws, points, 3).

    An image counted robust is counted clean too, so robust is drawn within clean. Points are drawn independently,
    though all share the test images: for a gap between two curves that errs towards a wider interval.
    """
    n, clean, robust = np.asarray(counts, int).T
    new_clean = rng.binomial(n, clean / n, size=(draws, len(n)))
    new_robust = rng.binomial(new_clean, np.minimum(robust / np.maximum(clean, 1), 1))
    return np.stack([np.broadcast_to(n, new_clean.shape), new_clean, new_robust], axis=-1)


def gap_bootstrap(curve, frontier, draws: int = 1000, seed: int = 0) -> tuple[float, float, float] | None:
    """Gap and its percentile interval over the test images, for a single seed. curve, frontier: counts (points, 3)."""
    rng = np.random.default_rng(seed)
    gap = distance_to_frontier(percent(curve), percent(frontier))
    if np.isnan(gap):
        return None
    pairs = zip(percent(resampled(curve, draws, rng)), percent(resampled(frontier, draws, rng)), strict=True)
    low, high = np.nanpercentile([distance_to_frontier(c, f) for c, f in pairs], [2.5, 97.5])
    return gap, float(low), float(high)
