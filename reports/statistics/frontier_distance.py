"""Distance of an SA–RA curve from a frontier: pure functions on arrays."""

import numpy as np

REFERENCE = (0.0, 0.0)  # SA and RA, percent, of a hypervolume


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
