"""Distances between an SA–RA curve and a frontier, and the area a curve dominates; pure functions on arrays."""

import numpy as np

REFERENCE = (0.0, 0.0)  # SA and RA of the hypervolume's reference point, percent


def as_function(curve) -> tuple[np.ndarray, np.ndarray]:
    """RA as a function of SA. curve: (points, 2), SA and RA. Returns ascending SA and RA; equal SA are averaged."""
    curve = np.asarray(curve, float)
    sa, index = np.unique(curve[:, 0], return_inverse=True)
    return sa, np.bincount(index, weights=curve[:, 1]) / np.bincount(index)


def common_range(curve, frontier) -> tuple[float, float] | None:
    """SA range that both curves cover; None if they share none. curve, frontier: (points, 2)."""
    curve, frontier = np.asarray(curve, float), np.asarray(frontier, float)
    if not len(curve) or not len(frontier):
        return None
    low = max(curve[:, 0].min(), frontier[:, 0].min())
    high = min(curve[:, 0].max(), frontier[:, 0].max())
    return (float(low), float(high)) if high > low else None


def distance_to_frontier(curve, frontier) -> float:
    """Mean gap in RA (percentage points) over the common SA range; positive if the curve lies above.

    curve, frontier: (points, 2), SA and RA in percent, piecewise linear in SA. Exact. NaN without a common SA range.
    """
    shared = common_range(curve, frontier)
    if shared is None:
        return float("nan")
    low, high = shared
    (x, y), (fx, fy) = as_function(curve), as_function(frontier)
    knots = np.unique(np.clip(np.concatenate([x, fx, [low, high]]), low, high))
    return float(np.trapezoid(np.interp(knots, x, y) - np.interp(knots, fx, fy), knots) / (high - low))


def area_to_frontier(curve, frontier) -> float:
    """Area between a curve and the frontier over the common SA range, in pp²; positive if the curve lies above.

    Equals distance_to_frontier times the length of the range. NaN without a common SA range.
    """
    shared = common_range(curve, frontier)
    return float("nan") if shared is None else distance_to_frontier(curve, frontier) * (shared[1] - shared[0])


def hypervolume(points, reference=REFERENCE) -> float:
    """Area that points dominate (Zitzler and Thiele, IEEE Trans. Evolutionary Computation 1999).

    points: (points, 2), SA and RA in percent, in any order. Returns hundredths of the square up to 100 %: the part in
    which some point is at least as good in both. The reference point depends on no data, so that differences of
    hypervolumes are comparable between figures. No SA in common is needed.
    """
    points = np.maximum(np.asarray(points, float) - reference, 0)
    points = points[np.argsort(-points[:, 0], kind="stable")]
    best = np.maximum.accumulate(points[:, 1])
    return float(points[:, 0] @ np.diff(best, prepend=0.0) / 100)


def hypervolume_beyond(curve, frontier) -> float:
    """Hypervolume of a curve minus the frontier's. curve, frontier: (points, 2)."""
    return hypervolume(curve) - hypervolume(frontier)


def trade_off_beyond(curve, other) -> float:
    """Hypervolume of a curve minus another's, in % of the box that the two span. curve, other: (points, 2).

    From the origin nearly all of a hypervolume is the rectangle that both curves dominate. So the reference point is
    the worst SA and RA of both, less 1/(points - 1) of their range, with which the points of an even curve count
    equally (Ishibuchi et al., Evolutionary Computation 2018). The box reaches from there to the best SA and RA. NaN
    where all points share their SA or their RA: there is no trade-off.
    """
    curve, other = np.asarray(curve, float), np.asarray(other, float)
    points = np.concatenate([curve, other])
    worst, best = points.min(axis=0), points.max(axis=0)
    reference = worst - (best - worst) / max(len(curve) - 1, 1)
    box = float(np.prod(best - reference))
    return 1e4 * (hypervolume(curve, reference) - hypervolume(other, reference)) / box if box else float("nan")


def height_above(point, frontier) -> float:
    """RA of a point (2,) minus the frontier's (points, 2) at the point's SA; NaN beyond the frontier's ends."""
    sa, ra = as_function(frontier)
    return float(point[1] - np.interp(point[0], sa, ra, left=np.nan, right=np.nan))


def additive_epsilon(curve, point, scale=(1.0, 1.0)) -> float:
    """By how much SA and RA of a curve must rise until some point of it is at least as good as `point` in both.

    curve: (points, 2), point: (2,), SA and RA in percent; scale: of ε in SA and in RA. Negative if there is room left.
    The largest over the points of a set is the additive ε-indicator of the curve and that set (Zitzler et al., IEEE
    Trans. Evolutionary Computation 2003). Every point counts, whether or not the curve reaches its SA.
    """
    return float(((np.asarray(point, float) - np.asarray(curve, float)) / scale).max(axis=1).min())
