"""SA–RA curves with their intervals, and the table that sums them up."""

import numpy as np
import pandas as pd

from reports import statistics
from reports.results import Panel

FRONTIER = "PGD-AT"
METRICS = {"sa": "clean_correct", "ra": "robust_correct"}


def planned_seeds(panel: Panel) -> dict[tuple[str, float], int]:
    """(label, λ) → seeds planned there. A PGD-AT network owns one λ; an OAT network is measured at all of them."""
    lambdas = sorted(set(panel.points.lam) | set(panel.trials.lam.dropna()))
    planned = {}
    for (label, own), trials in panel.trials.groupby(["label", "lam"], dropna=False):
        for lam in lambdas if np.isnan(own) else [own]:
            planned[label, lam] = trials.seed.nunique()
    return planned


def interval(rows: pd.DataFrame, metric: str) -> tuple[float, float, float]:
    """Mean and interval, percent, of one point of a curve. rows: one per seed; t over seeds, or Wilson for one."""
    if len(rows) > 1:
        mean, low, high = statistics.t_interval(rows[metric])
        return mean, max(low, 0.0), min(high, 100.0)
    low, high = statistics.wilson(rows[METRICS[metric]].iloc[0], rows.n.iloc[0])
    return rows[metric].iloc[0], 100 * float(low), 100 * float(high)


def curves(panel: Panel) -> pd.DataFrame:
    """A row per method and planned λ, from λ=1 down to 0 within a method; NaN where no network has finished.

    Columns: label, lam, planned, seeds, interval (t, wilson, or none), and sa, sa_low, sa_high, ra, ra_low, ra_high.
    """
    rows = []
    for (label, lam), planned in planned_seeds(panel).items():
        found = panel.points[(panel.points.label == label) & (panel.points.lam == lam)]
        kind = "t" if len(found) > 1 else "wilson" if len(found) else "none"
        row = {"label": label, "lam": lam, "planned": planned, "seeds": len(found), "interval": kind}
        for metric in METRICS:
            values = interval(found, metric) if len(found) else (np.nan,) * 3
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), values, strict=True))
        rows.append(row)
    bounds = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=["label", "lam", "planned", "seeds", "interval", *bounds])
    table = table.sort_values("lam", ascending=False)
    order = {label: place for place, label in enumerate(method_order(table.label.unique()))}
    return table.sort_values("label", key=lambda labels: labels.map(order), kind="stable", ignore_index=True)


def method_order(labels) -> list[str]:
    """The frontier first, then the others by name in reverse, so that normal BN precedes dual BN as in the paper."""
    return sorted(labels, key=lambda label: (label == FRONTIER, label), reverse=True)


def seed_curves(points: pd.DataFrame, label: str) -> dict[int, pd.DataFrame]:
    """Seed → its curve, for the seeds at which no λ of the method is missing."""
    own = points[points.label == label]
    whole = own.lam.nunique()
    return {seed: rows.sort_values("lam") for seed, rows in own.groupby("seed") if rows.lam.nunique() == whole}


def pooled_counts(points: pd.DataFrame, label: str) -> np.ndarray:
    """(λ, 3): images, clean correct, robust correct of a method, summed over the seeds there are."""
    own = points[points.label == label].groupby("lam")[["n", "clean_correct", "robust_correct"]].sum()
    return own.to_numpy()


def gap(points: pd.DataFrame, label: str) -> dict | None:
    """Mean gap of a method to the frontier, percentage points of RA, with its interval and the interval's kind.

    Over seeds where two or more are whole for both; else a bootstrap over the test images of what there is.
    """
    own, frontier = seed_curves(points, label), seed_curves(points, FRONTIER)
    both = sorted(set(own) & set(frontier))
    gaps = statistics.gaps_by_seed(*([c[s][["sa", "ra"]].to_numpy() for s in both] for c in (own, frontier)))
    counts, frontier_counts = pooled_counts(points, label), pooled_counts(points, FRONTIER)
    if len(gaps) > 1:
        found, kind = statistics.t_interval(gaps), f"t, {len(gaps)} seeds"
    else:
        found, kind = statistics.gap_bootstrap(counts, frontier_counts), "bootstrap over test images"
    shared = statistics.common_range(statistics.percent(counts), statistics.percent(frontier_counts))
    if found is None or shared is None:
        return None
    return {"gap": found[0], "low": found[1], "high": found[2], "kind": kind, "sa_range": shared}


def monotone(curve: pd.DataFrame, metric: str, rising: bool) -> str:
    """yes, no, or `within intervals` where only the means turn back. curve: one method, any order of λ."""
    curve = curve.dropna(subset=metric).sort_values("lam")
    if len(curve) < 2:
        return "–"
    if statistics.monotone_within_intervals(curve[metric], curve[metric], rising):
        return "yes"
    within = statistics.monotone_within_intervals(curve[f"{metric}_low"], curve[f"{metric}_high"], rising)
    return "within intervals" if within else "no"


def summary(panel: Panel) -> list[dict]:
    """The generated table: a row of finished text per method."""
    table, rows = curves(panel), []
    for label in method_order(table.label.unique()):
        curve = table[table.label == label]
        text, over = gap_text(panel.points, table, label)
        rows.append(
            {
                "Method": label,
                "SA, %": span(curve.sa),
                "RA, %": span(curve.ra),
                "SA falls with λ": monotone(curve, "sa", rising=False),
                "RA rises with λ": monotone(curve, "ra", rising=True),
                "Mean gap to frontier, pp of RA": text,
                "over SA, %": over,
            }
        )
    return rows


def gap_text(points: pd.DataFrame, table: pd.DataFrame, label: str) -> tuple[str, str]:
    """The gap with its interval, and the SA range that it is a mean over; or why there is none."""
    frontier, own = (table.sa[table.label == name] for name in (FRONTIER, label))
    if label == FRONTIER:
        return "is the frontier", "–"
    if not frontier.notna().any() or not own.notna().any():
        return "–", "–"
    found = gap(points, label)
    if not found:
        return "no SA in common", "–"
    partial = "; frontier incomplete" if frontier.isna().any() else ""
    text = f"{found['gap']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}] ({found['kind']}{partial})"
    return text, span(pd.Series(found["sa_range"]))


def span(values: pd.Series) -> str:
    """61.8–62.6, or a dash if there is nothing."""
    values = values.dropna()
    return f"{values.min():.1f}–{values.max():.1f}" if len(values) else "–"
