"""Differences in SA and RA between two methods at the same λ, in percentage points, with 95 % intervals.

Pure functions on the points of a results.Panel (one width, one attack).
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtr, stdtrit

from reports import statistics
from reports.curves import METRICS

Z = 1.959964  # of 95 %
TAIL = 0.5 + statistics.CONFIDENCE / 2


def compare(points: pd.DataFrame, label: str, other: str, lambdas, metric: str, paired: bool = False) -> dict | None:
    """Mean over the λ of `label` minus `other`; None where either lacks one of the λ.

    The interval is Welch's over seeds where both have two or more: equal seeds draw different networks as soon as the
    recipes differ, so that nothing pairs them. `paired` is for two that are trained alike, seed by seed. With fewer
    seeds, or seeds that agree to the last image, it comes from the counts.
    Keys: difference, low, high, p (that there is none), kind, values and other_values (one per seed).
    """
    own, theirs = (per_seed(points, name, lambdas, metric) for name in (label, other))
    if not len(own) or not len(theirs):
        return None
    both = own.index.intersection(theirs.index)
    if paired and len(both) > 1:
        found, kind = one_sample(own[both] - theirs[both]), f"paired t, {len(both)} seeds"
    elif not paired and min(len(own), len(theirs)) > 1:
        found, kind = welch(own, theirs), f"Welch t, {len(own)} and {len(theirs)} seeds"
    else:
        found = None
    if found is None:
        found, kind = newcombe(*(spread(points, name, lambdas, metric) for name in (label, other))), "counts"
    values = {"values": own.tolist(), "other_values": theirs.tolist()}
    return dict(zip(("difference", "low", "high", "p"), found, strict=True)) | {"kind": kind} | values


def per_seed(points: pd.DataFrame, label: str, lambdas, metric: str) -> pd.Series:
    """Seed → mean over the λ, percent; seeds that lack one of them are left out."""
    own = points[(points.label == label) & points.lam.isin(list(lambdas))]
    whole = own.groupby("seed").lam.nunique() == len(set(lambdas))
    return own.groupby("seed")[metric].mean()[whole[whole].index]


def welch(values, others) -> tuple[float, float, float, float] | None:
    """Difference of means, interval, p. None if neither varies. values, others: (seeds,), two or more each."""
    parts = [np.var(v, ddof=1) / len(v) for v in (values, others)]
    error = np.sqrt(sum(parts))
    if error < 1e-9:
        return None
    freedom = sum(parts) ** 2 / sum(part**2 / (len(v) - 1) for part, v in zip(parts, (values, others), strict=True))
    return student(np.mean(values) - np.mean(others), error, freedom)


def one_sample(differences) -> tuple[float, float, float, float] | None:
    """Mean, interval, p. differences: (seeds,). All 0 is a finding (the networks are the same), all equal is none."""
    if np.allclose(differences, 0):
        return 0.0, 0.0, 0.0, 1.0
    error = np.std(differences, ddof=1) / np.sqrt(len(differences))
    return student(np.mean(differences), error, len(differences) - 1) if error > 1e-9 else None


def student(difference: float, error: float, freedom: float) -> tuple[float, float, float, float]:
    half = stdtrit(freedom, TAIL) * error
    p = 2 * stdtr(freedom, -abs(difference) / error)
    return float(difference), float(difference - half), float(difference + half), float(p)


def spread(points: pd.DataFrame, label: str, lambdas, metric: str) -> tuple[float, float, float]:
    """Mean over the λ, percent, and how far it may be too high and too low, from Wilson's intervals of the counts.

    All λ and seeds are measured on the same test images, so that their errors may all go one way: the deviations are
    averaged and not reduced, which errs towards a wider interval.
    """
    own = points[(points.label == label) & points.lam.isin(list(lambdas))]
    share = own.groupby("lam").agg(share=(metric, "mean"), n=("n", "first"))
    low, high = statistics.wilson(share.share / 100 * share.n, share.n)
    mean = share.share.mean()
    return float(mean), float(mean - 100 * low.mean()), float(100 * high.mean() - mean)


def newcombe(own: tuple, other: tuple) -> tuple[float, float, float, float]:
    """Newcombe's interval (1998, method 10) for a difference of shares, from each one's mean and deviations."""
    (mean, down, up), (other_mean, other_down, other_up) = own, other
    difference = mean - other_mean
    below, above = np.hypot(down, other_up), np.hypot(up, other_down)
    towards_zero = below if difference > 0 else above
    p = 2 * ndtr(-Z * abs(difference) / towards_zero) if towards_zero else 1.0
    return float(difference), float(difference - below), float(difference + above), float(p)


def holm(ps) -> np.ndarray:
    """Holm's adjusted p for a family of tests; NaN stays NaN and is no test. ps: (tests,)."""
    ps = np.asarray(ps, float)
    adjusted, known = np.full(len(ps), np.nan), np.flatnonzero(~np.isnan(ps))
    order = known[np.argsort(ps[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(ps[order] * factors), 1) if len(order) else []
    return adjusted


def text(found: dict | None) -> str:
    """+0.3 [-1.0, +1.6]"""
    return "–" if found is None else f"{found['difference']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]"


def table(points: pd.DataFrame, label: str, other: str, lambdas, where: str) -> dict:
    """A row of text for the page: the mean difference over the λ that both have, and the largest at one λ."""
    shared = sorted(set(lambdas).intersection(*(points.lam[points.label == name] for name in (label, other))))
    row = {"Method": label, "against": other, "at λ": f"{where}: {', '.join(f'{lam:g}' for lam in shared) or 'none'}"}
    for metric in METRICS:
        found = compare(points, label, other, shared, metric) if shared else None
        row[f"Mean Δ{metric.upper()}, pp"] = text(found) + (f" ({found['kind']})" if found else "")
        single = {lam: compare(points, label, other, [lam], metric) for lam in shared}
        single = {lam: found["difference"] for lam, found in single.items() if found}
        most = max(single, key=lambda lam: abs(single[lam]), default=None)
        row[f"Largest Δ{metric.upper()}, pp"] = "–" if most is None else f"{single[most]:+.1f} (λ={most:g})"
    return row
