"""Data of the page's interactive figure: every mean of SA and RA with its interval, seeds, keys and MACs."""

import math

import pandas as pd

from reports.load.panels import Panel
from reports.plots import style
from reports.plots.facets import Facet
from reports.statistics.curves import METRICS, curves, frontier_of
from reports.statistics.frontier_distance import height_above


def facet_entries(facets: list[Facet]) -> list[dict]:
    """An entry per facet with results.

    Facets of one `group` are one set of networks at several widths; facets of one `panel` share their axes.
    """
    by_width, headings, entries = len({facet.width for facet in facets}) > 1, [f.heading for f in facets], []
    for facet in facets:
        panel = facet.panel.title + (f" ({facet.panel.subtitle})" if facet.panel.subtitle else "")
        named = facet.heading if headings.count(facet.heading) == 1 else f"{facet.heading}: {panel}"
        entry = {"heading": facet.heading, "group": panel if by_width else named, "panel": panel, "width": facet.width}
        entries += [entry | {"methods": method_entries(facet)}] if len(facet.panel.points) else []
    return entries


def method_entries(facet: Facet) -> list[dict]:
    """An entry per method with its points, λ falling. `adjustable`: one network for all λ."""
    table, panel = curves(facet.panel).dropna(subset="sa"), facet.panel
    labels, entries = list(table.label.unique()), []
    one_network = panel.trials.groupby("label").lam.apply(lambda lam: lam.isna().all())
    for label in labels:
        rows, frontier = table[table.label == label], frontier_of(label, labels)
        look = style.method(label, labels)
        entry = {"label": label, "color": look["color"], "marker": look["marker"]}
        entry |= {"adjustable": bool(one_network[label]), "frontier": label == frontier}
        means = table[table.label == frontier][["sa", "ra"]].to_numpy() if frontier not in (None, label) else []
        points = [point_entry(row, panel, facet.width, means) for row in rows.itertuples()]
        entries.append(entry | {"points": points})
    return entries


def point_entry(row, panel: Panel, width: float, frontier) -> dict:
    """A point of a curve, percent. `above`: RA minus the frontier's at the same SA, None beyond its ends.

    row: of `curves`. frontier: (points, 2), SA and RA; empty for none.
    """
    drawn = panel.points[(panel.points.label == row.label) & (panel.points.lam == row.lam)]
    entry = {metric: [float(getattr(row, f"{metric}{end}")) for end in ("", "_low", "_high")] for metric in METRICS}
    above = height_above((row.sa, row.ra), frontier) if len(frontier) > 1 else math.nan
    entry |= {"lam": row.lam, "seeds": row.seeds, "keys": list(drawn.key), "unseen": bool(row.unseen)}
    entry["macs"] = macs(panel.trials, drawn.key, width)
    return entry | {"above": None if math.isnan(above) else round(above, 2)}


def macs(trials: pd.DataFrame, keys: pd.Series, width: float) -> float | None:
    """Multiply–accumulates of a forward pass at a width; None where they were not counted."""
    counted = trials.macs_by_width[trials.key.isin(keys)]
    return next((counts[width] for counts in counted if isinstance(counts, dict) and width in counts), None)
