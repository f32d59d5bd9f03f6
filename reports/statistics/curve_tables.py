"""Tables of SA–RA curves as text, for the page."""

import pandas as pd

from reports.load.panels import Panel
from reports.statistics import frontier_distance
from reports.statistics.curves import curves, distance, frontier_of, gap, method_order, pair
from reports.statistics.intervals import monotone_text
from reports.statistics.variance_pool import own_pool

GAP = "Mean gap to frontier, pp of RA"
AREA, VOLUME = "Area to frontier, pp²", "Hypervolume beyond the frontier's, %"


def sa_ra_table(panel: Panel) -> dict[str, list]:
    """`lambdas`, finished λ of a panel as text; `rows`, one per method with "SA / RA" at each of them, seeds' means."""
    table = curves(panel).dropna(subset="sa")
    lambdas = sorted(table.lam.unique())
    texts = {(row.label, row.lam): f"{row.sa:.1f} / {row.ra:.1f}" for row in table.itertuples()}
    rows = [
        {"method": label, "cells": [texts.get((label, lam), "–") for lam in lambdas]} for label in table.label.unique()
    ]
    return {"lambdas": [f"{lam:g}" for lam in lambdas], "rows": rows}


def summary_rows(panel: Panel) -> list[dict]:
    """A row per method: ranges of SA and RA, whether they are monotone in λ, and distances to a planned frontier."""
    table, rows = curves(panel), []
    labels = method_order(table.label.unique())
    for label in labels:
        curve = table[table.label == label]
        row = {"Method": label, "SA, %": value_range(curve.sa), "RA, %": value_range(curve.ra)}
        row |= {"SA falls with λ": monotone_text(curve, "sa", rising=False)}
        row |= {"RA rises with λ": monotone_text(curve, "ra")}
        frontier = frontier_of(label, labels)
        if label == frontier:
            finished = curve[["sa", "ra"]].dropna()
            volume = f"{frontier_distance.hypervolume(finished):.1f} in all" if len(finished) else "–"
            row |= {GAP: "is the frontier", "over SA, %": "–", AREA: "–", VOLUME: volume}
        elif frontier:
            row[GAP], row["over SA, %"] = gap_texts(panel, label, frontier)
            row[AREA], row[VOLUME] = area_texts(panel, label, frontier, row[GAP])
        rows.append(row)
    return rows


def gap_texts(panel: Panel, label: str, frontier: str) -> tuple[str, str]:
    """Gap with its interval and SA range, or the reason why there is none."""
    table = curves(panel)
    frontier_sa, sa = (table.sa[table.label == name] for name in (frontier, label))
    if not frontier_sa.notna().any() or not sa.notna().any():
        return "–", "–"
    estimate = gap(panel.points, label, frontier, own_pool(panel))
    if not estimate:
        return "no SA in common", "–"
    partial = "; frontier incomplete" if frontier_sa.isna().any() else ""
    if estimate["doubt"]:
        text = f"cannot be judged: {estimate['doubt']}{partial}"
    else:
        text = f"{signed(estimate)} ({estimate['kind']}{partial})"
    return text, value_range(pd.Series(estimate["sa_range"]))


def area_texts(panel: Panel, label: str, frontier: str, gap_text: str) -> tuple[str, str]:
    """Area between the curves and difference in hypervolume; an area that is as meaningless as its gap is left out.

    The hypervolume is over the λ of both, since more points dominate a larger area.
    """
    points, pool = panel.points, own_pool(panel)
    area = distance(pair(points, label, frontier, pool=pool), "area") if gap_text[0] in "+-" else None
    common = set(points.lam[points.label == label]) & set(points.lam[points.label == frontier])
    volume = distance(pair(points, label, frontier, common, pool), "volume")
    return (signed(area) if area else "–"), (signed(volume) if volume else "–")


def signed(estimate: dict) -> str:
    """Write an estimate with its interval: +0.3 [-1.0, +1.6]."""
    return f"{estimate['value']:+.1f} [{estimate['low']:+.1f}, {estimate['high']:+.1f}]"


def value_range(values: pd.Series) -> str:
    """Write a range: 61.8–62.6, or a dash without values."""
    values = values.dropna()
    return f"{values.min():.1f}–{values.max():.1f}" if len(values) else "–"
