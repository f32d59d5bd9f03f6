"""At which SA a method has more RA than another: the best RA of any λ whose SA is at least a level."""

import math

import pandas as pd

from reports.statistics import estimates, intervals


def lead_by_accuracy(points: pd.DataFrame, label: str, other: str) -> dict[int, int]:
    """Level of SA in whole percent → 1, -1 or 0: whether `label` surely has more RA there, surely less, or neither.

    points: columns method, seed, sa, ra (percent) and n. Judged by 95 % t intervals over the seeds of both, each level
    by itself. RA is 0 where no λ reaches the level. No levels with fewer than two seeds.
    """
    points = points[points.method.isin([label, other])]
    seeds = set.intersection(*(set(points.seed[points.method == name]) for name in (label, other)))
    if len(seeds) < 2:
        return {}
    curves = dict(list(points.groupby(["method", "seed"])))
    rounding = 2 * (100 / points.n.min()) ** 2 / 12  # of two counts
    leads = {}
    for level in range(math.ceil(points.sa.min()), math.floor(points.sa.max()) + 1):
        gains = [best_ra(curves[label, seed], level) - best_ra(curves[other, seed], level) for seed in sorted(seeds)]
        low, high = estimates.over_seeds(gains, rounding).bounds(intervals.CONFIDENCE)
        leads[level] = int(low > 0) - int(high < 0)
    return leads


def best_ra(curve: pd.DataFrame, sa: float) -> float:
    """The largest RA among points of at least this SA; 0 without one."""
    return float(curve.ra[curve.sa >= sa].max()) if (curve.sa >= sa).any() else 0.0


def levels_text(levels: list[int]) -> str:
    """Write ascending whole numbers, consecutive ones as a range: 69–73, 76. A dash for none."""
    firsts = [level for level in levels if level - 1 not in levels]
    lasts = [level for level in levels if level + 1 not in levels]
    return ", ".join(f"{a}–{b}" if b > a else f"{a}" for a, b in zip(firsts, lasts, strict=True)) or "–"
