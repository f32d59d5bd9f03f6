"""Limits of axes of SA and RA, and whether an interval reaches beyond them."""

from collections.abc import Callable, Sequence

import pandas as pd

from reports.plots import paper_numbers
from reports.plots.facets import Facet, all_curves
from reports.statistics.contrasts import METRICS
from reports.statistics.curves import curves


def limits_around(values, bars=(), pad: float = 0.09, least: float = 2.0) -> tuple[float, float]:
    """Axis limits in percent around all values; error bars may extend them by at most their range on either side."""
    low, high = min(values), max(values)
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    room = high - low
    low, high = min(low, max(min(bars, default=low), low - room)), max(high, min(max(bars, default=high), high + room))
    margin = pad * (high - low)
    return max(low - margin, -margin), min(high + margin, 100 + margin)


def limits(
    facets: list[Facet], metric: str, numbers: Sequence[dict] = (), without: tuple[str, ...] = ()
) -> tuple[float, float]:
    """Limits for facets that share an axis: around their points, error bars, and the paper's numbers.

    without: methods that do not count.
    """
    frames = all_curves(facets), pd.concat([facet.panel.points for facet in facets])
    table, points = (frame[~frame.label.isin(without)] for frame in frames)
    bars = [*table[f"{metric}_low"].dropna(), *table[f"{metric}_high"].dropna()]
    return limits_around([*points[metric], *paper_numbers.values(numbers, metric)], bars)


def is_cut(facets: list[Facet], frame: Callable[[Facet, str], tuple[float, float]]) -> bool:
    """Whether an interval reaches beyond its axes. frame: facet, metric → limits."""
    for facet in facets:
        table = curves(facet.panel)
        for metric in METRICS if len(facet.panel.points) else ():
            low, high = frame(facet, metric)
            if (table[f"{metric}_low"] < low).any() or (table[f"{metric}_high"] > high).any():
                return True
    return False
