"""SA–RA curves with their intervals, and the table that sums them up."""

import re

import numpy as np
import pandas as pd

from reports.load import trained_lambdas
from reports.load.results import Panel
from reports.statistics import contrasts, estimates, frontier_distance, intervals
from reports.statistics.contrasts import Absent, Cell
from reports.statistics.frontier_estimates import Pair, judged, pair_of, too_few

FRONTIER = "PGD-AT"  # Sec. 4.1: networks trained for one λ each; of slimmable networks PGD-ATS (Sec. 4.3)
FRONTIERS = (FRONTIER, "PGD-ATS")
ORDER = (*FRONTIERS, "OAT (normal BN)", "OAT (normal BN, S4)", "OAT (dual BN)", "OATS (normal BN)", "OATS (dual BN)")
METRICS = {"sa": "clean_correct", "ra": "robust_correct"}
GAP = "Mean gap to frontier, pp of RA"
AREA, VOLUME = "Area to frontier, pp²", "Hypervolume beyond the frontier's, %"
DRAWS = 600  # of a bootstrap on a page, where a verdict hangs on none


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
        found = estimates.over_seeds(rows[metric], rounding=(100 / rows.n.iloc[0]) ** 2 / 12)
        low, high = estimates.clipped(found, 0.0, 100.0).bounds(intervals.CONFIDENCE)
        return found.value, low, high
    low, high = intervals.wilson(rows[METRICS[metric]].iloc[0], rows.n.iloc[0])
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
        row = {"label": label, "lam": lam, "unseen": trained_lambdas.unseen(lam, met[label])}
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
        found[label] = trained_lambdas.trained_on(label, recipe) if own.lam.isna().all() else None
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


DISTANCES = {
    "gap": frontier_distance.distance_to_frontier,
    "area": frontier_distance.area_to_frontier,
    "volume": lambda curve, frontier: frontier_distance.hypervolume(curve) - frontier_distance.hypervolume(frontier),
}


def pair(points: pd.DataFrame, label: str, frontier: str, lambdas=None) -> Pair | None:
    """A method's curve and the frontier's, at every λ that each has, or at those given; None where a network is
    ambiguous."""
    points = points[points.label.isin([label, frontier])]
    sides = []
    for name in (label, frontier):
        where = points[(points.label == name) & (points.lam.isin(lambdas) if lambdas is not None else True)]
        rows = where.drop_duplicates("lam").sort_values("lam").itertuples()
        sides.append([Cell(name, "sa", round(row.lam, 6), round(row.width, 6), row.attack) for row in rows])
    try:
        return pair_of(contrasts.of_points(points), *sides) if all(sides) else None
    except Absent:
        return None


def distance(both: Pair | None, name: str) -> dict | None:
    """One of DISTANCES with its interval: {"value", "low", "high", "kind"}; None where it has no value.

    gap: pp of RA, the mean height above the frontier; area: pp², that height times the SA that both cover; volume:
    hundredths of the square, how much more the curve dominates.
    """
    refused = not both or (name != "volume" and too_few(both))
    estimate = None if refused else judged(both, DISTANCES[name], DRAWS)
    if estimate is None:
        return None
    low, high = estimate.bounds(intervals.CONFIDENCE)
    return {"value": estimate.value, "low": low, "high": high, "kind": estimate.kind}


def gap(points: pd.DataFrame, label: str, frontier: str = FRONTIER) -> dict | None:
    """`distance` of a method's mean gap to the frontier. `sa_range` is that of the means over seeds; `doubt` says why
    the gap cannot be judged, and is empty where it can. None where the means share no SA."""
    means = [points[points.label == name].groupby("lam")[["sa", "ra"]].mean() for name in (label, frontier)]
    shared, both = frontier_distance.common_range(*means), pair(points, label, frontier)
    if shared is None or both is None:
        return None
    where, labels = {"sa_range": shared}, (label, frontier)
    found, narrow = distance(both, "gap"), too_narrow(shared, points, labels)
    if found is None:
        some = "without one of the seeds" if len(both.seeds) > 1 else "on other test images"
        return where | {"doubt": narrow or too_few(both) or f"{some} the curves share no SA"}
    return found | where | {"doubt": narrow or too_wide(found, points, labels)}


def too_narrow(shared: tuple[float, float], points: pd.DataFrame, labels: tuple[str, str]) -> str:
    """Why a gap over this SA range says nothing, or an empty text. It compares RA at equal SA, so SA must be known
    better than the range it is taken over."""
    two, (low, high) = points[points.label.isin(labels)], shared
    uncertain = float(np.median([sa_error(rows) for _, rows in two.groupby(["label", "lam"])]))
    if high - low >= uncertain:
        return ""
    return (
        f"the curves share only {high - low:.2f} pp of SA ({low:.2f}–{high:.2f}), "
        f"and SA itself is known to ±{uncertain:.1f} pp"
    )


def too_wide(found: dict, points: pd.DataFrame, labels: tuple[str, str]) -> str:
    """Whether a gap's interval is wider than all the RA there is to gain or lose, and so says nothing."""
    means = points[points.label.isin(labels)].groupby(["label", "lam"]).ra.mean()
    width, reach = found["high"] - found["low"], means.max() - means.min()
    wide = f"its interval is {width:.0f} pp wide, and both curves together span {reach:.0f} pp of RA"
    return wide if width > reach else ""


def sa_error(rows: pd.DataFrame) -> float:
    """How far SA is uncertain at a point, pp: half its interval, and no less than half that of all seeds' counts in
    one, for a few seeds may agree by chance. rows: one per seed."""
    _, low, high = interval(rows, "sa")
    pooled = intervals.wilson(rows.clean_correct.sum(), rows.n.sum())
    return max(high - low, 100 * float(pooled[1] - pooled[0])) / 2


def monotone(curve: pd.DataFrame, metric: str, rising: bool) -> str:
    """yes, no, or `within intervals` where only the means turn back. curve: one method, any order of λ."""
    curve = curve.dropna(subset=metric).sort_values("lam")
    if len(curve) < 2:
        return "–"
    if intervals.monotone_within_intervals(curve[metric], curve[metric], rising):
        return "yes"
    within = intervals.monotone_within_intervals(curve[f"{metric}_low"], curve[f"{metric}_high"], rising)
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
            row[AREA], row[VOLUME] = area_texts(panel.points, table, label, frontier, row[GAP])
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
    if found["doubt"]:
        text = f"cannot be judged: {found['doubt']}{partial}"
    else:
        text = f"{signed(found)} ({found['kind']}{partial})"
    return text, span(pd.Series(found["sa_range"]))


def area_texts(points: pd.DataFrame, table, label: str, frontier: str, told: str) -> tuple[str, str]:
    """The area between the curves and the difference in hypervolume, as text. told: the gap's text, which says why an
    area says nothing either. A hypervolume is of the λ that both have: more points dominate more."""
    if label == frontier:
        return "–", f"{mean_hypervolume(points, label):.1f} in all"
    area = distance(pair(points, label, frontier), "area") if told[0] in "+-" else None
    common = set(points.lam[points.label == label]) & set(points.lam[points.label == frontier])
    volume = distance(pair(points, label, frontier, common), "volume")
    return (signed(area) if area else "–"), (signed(volume) if volume else "–")


def mean_hypervolume(points: pd.DataFrame, label: str) -> float:
    means = points[points.label == label].groupby("lam")[["sa", "ra"]].mean()
    return frontier_distance.hypervolume(means) if len(means) else float("nan")


def signed(found: dict) -> str:
    return f"{found['value']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]"


def span(values: pd.Series) -> str:
    """61.8–62.6, or a dash if there is nothing."""
    values = values.dropna()
    return f"{values.min():.1f}–{values.max():.1f}" if len(values) else "–"
