"""Limits of axes of SA and RA, and whether an interval reaches beyond them."""

import pandas as pd

from reports.load.panels import View
from reports.plots import paper_numbers
from reports.plots.facets import Facet, alike, all_curves
from reports.statistics.contrasts import METRICS
from reports.statistics.curves import curves

PAD = 0.09  # room at either end, as a part of the range
LEAST = 2.0  # least range, pp


def limits(
    facet: Facet, beside: list[Facet], view: View, metric: str, off_range: tuple[str, ...] = ()
) -> tuple[float, float]:
    """Limits of a facet's axis of SA or RA in percent, the same for the facets of the same networks beside it.

    Methods in `off_range` count only if the axis then grows by half at most.
    """
    facets = alike(facet, beside)
    points = pd.concat([other.panel.points for other in facets])
    everyone = around(facets, view, metric)
    if not off_range or points.label.isin(off_range).all():
        return everyone
    low, high = around(facets, view, metric, without=off_range)
    if everyone[1] - everyone[0] <= 1.5 * (high - low):
        return everyone
    room = 0.12 * (high - low)  # for the text at the frame
    return low - room * (everyone[0] < low), high + room * (everyone[1] > high)


def around(facets: list[Facet], view: View, metric: str, without: tuple[str, ...] = ()) -> tuple[float, float]:
    """Limits around all points and numbers of the paper; error bars extend them by at most their range on either side.

    without: methods that do not count.
    """
    frames = all_curves(facets), pd.concat([facet.panel.points for facet in facets])
    table, points = (frame[~frame.label.isin(without)] for frame in frames)
    numbers = [number for facet in facets for number in paper_numbers.numbers_for(facet, view)]
    values = [*points[metric], *paper_numbers.values(numbers, metric)]
    low, high = min(values), max(values)
    if high - low < LEAST:
        low, high = (low + high - LEAST) / 2, (low + high + LEAST) / 2
    room = high - low
    low = min(low, max(table[f"{metric}_low"].min(), low - room))
    high = max(high, min(table[f"{metric}_high"].max(), high + room))
    margin = PAD * (high - low)
    return max(low - margin, -margin), min(high + margin, 100 + margin)


def all_limits(
    facets: list[Facet], view: View, off_range: tuple[str, ...] = ()
) -> list[tuple[Facet, str, tuple[float, float]]]:
    """Facet, metric and limits of each axis of a figure that has results. facets: all of the figure."""
    drawn = [(facet, metric) for facet in facets if len(facet.panel.points) for metric in METRICS]
    return [(facet, metric, limits(facet, facets, view, metric, off_range)) for facet, metric in drawn]


def is_cut(facets: list[Facet], view: View, off_range: tuple[str, ...] = ()) -> bool:
    """Whether an interval reaches beyond its axes. facets: all of the figure."""
    return any(
        (curves(facet.panel)[f"{metric}_low"] < low).any() or (curves(facet.panel)[f"{metric}_high"] > high).any()
        for facet, metric, (low, high) in all_limits(facets, view, off_range)
    )
