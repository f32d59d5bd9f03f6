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
