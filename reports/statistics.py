"""Intervals and comparisons of SA–RA curves: pure functions on arrays, nothing about files or plots."""

import numpy as np
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95
REFERENCE = (0.0, 0.0)  # SA and RA, percent, of a hypervolume


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


def area_to_frontier(curve, frontier) -> float:
    """The area between a curve and the frontier over their common SA range, pp of SA × pp of RA; positive where the
    curve lies above. It grows with the range, as distance_to_frontier, its mean height, does not. NaN where none."""
    shared = common_range(curve, frontier)
    return float("nan") if shared is None else distance_to_frontier(curve, frontier) * (shared[1] - shared[0])


def hypervolume(points, reference=REFERENCE) -> float:
    """The area that points dominate (Zitzler and Thiele, IEEE Trans. Evolutionary Computation 1999), in hundredths of
    the square of SA and RA up to 100 %: every (SA, RA) above the reference that some point is no worse than in both.

    points: (points, 2), percent, in any order. The reference is (0, 0): it depends on no data, and a difference of two
    hypervolumes is then comparable between figures. Needs no SA in common, as the area between curves does.
    """
    points = np.maximum(np.asarray(points, float) - reference, 0)
    points = points[np.argsort(-points[:, 0], kind="stable")]
    best = np.maximum.accumulate(points[:, 1])
    return float(points[:, 0] @ np.diff(best, prepend=0.0) / 100)


def percent(counts) -> np.ndarray:
    """counts: (..., points, 3): images, clean and robust correct. Returns (..., points, 2): SA and RA in percent."""
    counts = np.asarray(counts, float)
    return 100 * counts[..., 1:] / counts[..., :1]
