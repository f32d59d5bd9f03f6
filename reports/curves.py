"""SA–RA curves with their intervals, and the table that sums them up."""

import re

import numpy as np
import pandas as pd

from reports import lambdas, statistics
from reports.results import Panel

FRONTIER = "PGD-AT"  # Sec. 4.1: networks trained for one λ each; of slimmable networks PGD-ATS (Sec. 4.3)
FRONTIERS = (FRONTIER, "PGD-ATS")
ORDER = (*FRONTIERS, "OAT (normal BN)", "OAT (normal BN, S4)", "OAT (dual BN)", "OATS (normal BN)", "OATS (dual BN)")
METRICS = {"sa": "clean_correct", "ra": "robust_correct"}
GAP = "Mean gap to frontier, pp of RA"


def planned_seeds(panel: Panel) -> dict[tuple[str, float], int]:
    """(label, λ) → seeds planned there. A PGD-AT network owns one λ; a conditional one is measured at several, which
    its own results tell, or else the other networks'."""
    others = set(panel.points.lam) | set(panel.trials.lam.dropna())
    planned = {}
    for (label, own), trials in panel.trials.groupby(["label", "lam"], dropna=False):
        measured = set(panel.points.lam[panel.points.label == label]) or others
        for lam in sorted(measured) if np.isnan(own) else [own]:
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

    Columns: label, lam, unseen (in training), planned, seeds, interval (t, wilson, or none), and sa, sa_low, sa_high,
    ra, ra_low, ra_high. The panel's points are of one width and one attack.
    """
    met, rows = trained_on(panel.trials), []
    for (label, lam), planned in planned_seeds(panel).items():
        found = panel.points[(panel.points.label == label) & (panel.points.lam == lam)]
        kind = "t" if len(found) > 1 else "wilson" if len(found) else "none"
        row = {"label": label, "lam": lam, "unseen": lambdas.unseen(lam, met[label])}
        row |= {"planned": planned, "seeds": len(found), "interval": kind}
        for metric in METRICS:
            values = interval(found, metric) if len(found) else (np.nan,) * 3
            row |= dict(zip((metric, f"{metric}_low", f"{metric}_high"), values, strict=True))
        rows.append(row)
    bounds = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=["label", "lam", "unseen", "planned", "seeds", "interval", *bounds])
    table = table.astype({"unseen": bool}).sort_values("lam", ascending=False)
    order = {label: place for place, label in enumerate(method_order(table.label.unique()))}
    return table.sort_values("label", key=lambda labels: labels.map(order), kind="stable", ignore_index=True)


def trained_on(trials: pd.DataFrame) -> dict[str, frozenset[float] | None]:
    """Label → the λ that its conditional networks met in training; None for PGD-AT, measured at its own λ only."""
    found = {}
    for label, own in trials.groupby("label"):
        recipe = own.recipe.iloc[0] if "recipe" in own else {}
        found[label] = lambdas.trained_on(label, recipe) if own.lam.isna().all() else None
    return found


def method_order(labels) -> list[str]:
    """The frontier first, then as the paper's legends have them, then all others by name: DCT-16 before DCT-128."""

    def place(label: str) -> tuple:
        words = [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in re.findall(r"\d+|\D+", label)]
        return ORDER.index(label) if label in ORDER else len(ORDER), not label.startswith("none"), words

    return sorted(labels, key=place)


def frontier_of(label: str, labels) -> str | None:
    """The frontier that a method is held against: PGD-ATS for slimmable networks, else PGD-AT; None if not there."""
    own = FRONTIERS[label.startswith(("OATS", "PGD-ATS"))]
    return own if own in set(labels) else None


def seed_curves(points: pd.DataFrame, label: str) -> dict[int, pd.DataFrame]:
    """Seed → its curve, for the seeds at which no λ of the method is missing."""
    own = points[points.label == label]
    whole = own.lam.nunique()
    return {seed: rows.sort_values("lam") for seed, rows in own.groupby("seed") if rows.lam.nunique() == whole}


def pooled_counts(points: pd.DataFrame, label: str) -> np.ndarray:
    """(λ, 3): images, clean correct, robust correct of a method, summed over the seeds there are."""
    own = points[points.label == label].groupby("lam")[["n", "clean_correct", "robust_correct"]].sum()
    return own.to_numpy()


def gap(points: pd.DataFrame, label: str, frontier: str = FRONTIER) -> dict | None:
    """Mean gap of a method to the frontier, percentage points of RA, with its interval and the interval's kind.

    Over seeds where two or more are whole for both; else a bootstrap over the test images of what there is. `doubt`
    says why the gap cannot be judged, and is empty where it can. None where the two share no SA at all.
    """
    own, other = seed_curves(points, label), seed_curves(points, frontier)
    both = sorted(set(own) & set(other))
    gaps = statistics.gaps_by_seed(*([c[s][["sa", "ra"]].to_numpy() for s in both] for c in (own, other)))
    counts, frontier_counts = pooled_counts(points, label), pooled_counts(points, frontier)
    if len(gaps) > 1:
        some = f" of {len(both)}" if len(gaps) < len(both) else ""
        found, kind = statistics.t_interval(gaps), f"t, {len(gaps)}{some} seeds"
    else:
        found, kind = statistics.gap_bootstrap(counts, frontier_counts), "bootstrap over test images"
    shared = statistics.common_range(statistics.percent(counts), statistics.percent(frontier_counts))
    if found is None or shared is None:
        return None
    result = {"gap": found[0], "low": found[1], "high": found[2], "kind": kind, "sa_range": shared}
    return result | {"doubt": doubt(result, points, (label, frontier))}


def doubt(found: dict, points: pd.DataFrame, labels: tuple[str, str]) -> str:
    """Why a gap says nothing. It compares RA at equal SA, so SA must be known better than the range it is taken over,
    and its interval must be narrower than all the RA there is to gain or lose."""
    two = points[points.label.isin(labels)]
    uncertain = float(np.median([sa_error(rows) for _, rows in two.groupby(["label", "lam"])]))
    low, high = found["sa_range"]
    if high - low < uncertain:
        return (
            f"the curves share only {high - low:.2f} pp of SA ({low:.2f}–{high:.2f}), "
            f"and SA itself is known to ±{uncertain:.1f} pp"
        )
    means = two.groupby(["label", "lam"]).ra.mean()
    if found["high"] - found["low"] > means.max() - means.min():
        width, reach = found["high"] - found["low"], means.max() - means.min()
        return f"its interval is {width:.0f} pp wide, and both curves together span {reach:.0f} pp of RA"
    return ""


def sa_error(rows: pd.DataFrame) -> float:
    """How far SA is uncertain at a point, pp: half its interval, and no less than half that of all seeds' counts in
    one, for a few seeds may agree by chance. rows: one per seed."""
    _, low, high = interval(rows, "sa")
    pooled = statistics.wilson(rows.clean_correct.sum(), rows.n.sum())
    return max(high - low, 100 * float(pooled[1] - pooled[0])) / 2


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
    """The generated table: a row of finished text per method; the gap only where there is a frontier."""
    table, rows = curves(panel), []
    labels = method_order(table.label.unique())
    for label in labels:
        curve = table[table.label == label]
        row = {"Method": label, "SA, %": span(curve.sa), "RA, %": span(curve.ra)}
        row |= {"SA falls with λ": monotone(curve, "sa", rising=False)}
        row |= {"RA rises with λ": monotone(curve, "ra", rising=True)}
        frontier = frontier_of(label, labels)
        if frontier:
            row[GAP], row["over SA, %"] = gap_text(panel.points, table, label, frontier)
        rows.append(row)
    return rows


def gap_text(points: pd.DataFrame, table: pd.DataFrame, label: str, frontier: str) -> tuple[str, str]:
    """The gap with its interval, and the SA range that it is a mean over; or why there is none."""
    if label == frontier:
        return "is the frontier", "–"
    theirs, own = (table.sa[table.label == name] for name in (frontier, label))
    if not theirs.notna().any() or not own.notna().any():
        return "–", "–"
    found = gap(points, label, frontier)
    if not found:
        return "no SA in common", "–"
    partial = "; frontier incomplete" if theirs.isna().any() else ""
    text = f"{found['gap']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}] ({found['kind']}{partial})"
    if found["doubt"]:
        text = f"cannot be judged: {found['doubt']}{partial}"
    return text, span(pd.Series(found["sa_range"]))


def span(values: pd.Series) -> str:
    """61.8–62.6, or a dash if there is nothing."""
    values = values.dropna()
    return f"{values.min():.1f}–{values.max():.1f}" if len(values) else "–"
