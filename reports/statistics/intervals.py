"""Confidence intervals for rates and means; pure functions on arrays."""

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
    # at k = 0 and k = n, rounding may leave the rate just outside, and matplotlib refuses a negative error bar
    return np.clip(np.minimum(centre - half, k / n), 0, 1), np.clip(np.maximum(centre + half, k / n), 0, 1)


def t_half_width(sd: float, n: int, confidence: float = CONFIDENCE) -> float:
    """Half-width of Student's t interval of a mean of n values with sample deviation sd; NaN for one value."""
    return float(stdtrit(n - 1, 0.5 + confidence / 2) * sd / np.sqrt(n)) if n > 1 else float("nan")


def monotone_within_intervals(lows, highs, rising: bool = True) -> bool:
    """Whether some non-decreasing (or non-increasing) curve passes through every interval.

    lows, highs: (points,), in order of λ. With lows = highs = the means this is plain monotonicity. False means a
    reversal larger than the intervals; True with wide intervals is weak evidence.
    """
    lows, highs = np.asarray(lows, float), np.asarray(highs, float)
    if not rising:
        lows, highs = -highs, -lows
    return bool(np.all(np.maximum.accumulate(lows) <= highs))


def monotone_text(curve, metric: str, rising: bool = True) -> str:
    """`yes`, `no`, or `within intervals` if only the means reverse; a dash for fewer than two points.

    curve: one method's rows in any order of λ, with columns lam, <metric>, <metric>_low and <metric>_high.
    """
    curve = curve.dropna(subset=[metric]).sort_values("lam")
    if len(curve) < 2:
        return "–"
    if monotone_within_intervals(curve[metric], curve[metric], rising):
        return "yes"
    within = monotone_within_intervals(curve[f"{metric}_low"], curve[f"{metric}_high"], rising)
    return "within intervals" if within else "no"
