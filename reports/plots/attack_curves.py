"""Draw RA against λ, a column per method, a line per attack: the axes of the figure `modern`."""

import pandas as pd

from reports.load import formatting
from reports.load.panels import View
from reports.plots import style
from reports.plots.accuracy_limits import limits
from reports.plots.by_lambda import draw_curve
from reports.plots.facets import Facet, empty_text, shared_parts
from reports.statistics.curves import curves, method_order

LOOKS = {  # attack → look, from the attack expected to find least to the strongest
    "pgd7": {"color": "#7a7a7a", "marker": "s", "zorder": 3, "ls": (0, (4, 2))},
    "cw50-r10": {"color": "#009E73", "marker": "D", "zorder": 4},
    "pgd50-r10": {"color": "#56B4E9", "marker": "v", "zorder": 4},
    "autoattack": {"color": "#CC79A7", "marker": "o", "zorder": 5},
}
DODGE = 0.07  # offset between attacks, in steps of λ, so that their bars stand side by side


def planned_methods(row: list[Facet]) -> list[str]:
    """Planned methods of a row of facets, one facet per attack."""
    return method_order(row[0].panel.trials.label.unique())


def method_curve(facet: Facet, method: str) -> pd.DataFrame:
    """A method's rows of `curves` under a facet's attack, λ rising."""
    table = curves(facet.panel)
    return table[table.label == method].sort_values("lam", ignore_index=True)


def draw(rows: list[list[Facet]], view: View):
    columns = max(len(planned_methods(row)) for row in rows)
    figure, axes = style.subplots(columns=columns, rows=len(rows), sharey="row")
    shared, belows = shared_parts([row[0].below for row in rows])
    for axes_row, row, below in zip(axes, rows, belows, strict=True):
        methods = planned_methods(row)
        for ax, method in zip(axes_row, methods, strict=False):
            style.title(ax, method, below, room=style.room(figure, columns))
            draw_axes(ax, row, method)
            if row is rows[-1]:
                ax.set_xlabel("λ (evenly spaced)")
        for ax in axes_row[len(methods) :]:
            ax.set_axis_off()
        if len(pd.concat([facet.panel.points for facet in row])):
            for ax in axes_row:
                ax.set_ylim(limits(row[0], row, view, "ra"))
        style.note(axes_row[0], row[0].note, xy=(0.03, 0.93))  # a rising curve leaves room there
        for ax in filter(style.is_left, axes_row):
            ax.set_ylabel("RA (%)")
    style.legend(figure, axes.flat, above=shared)
    return figure


def draw_axes(ax, row: list[Facet], method: str) -> None:
    if not any(len(facet.panel.points) for facet in row):
        return style.empty(ax, empty_text(row[0].panel))
    tables = [method_curve(facet, method) for facet in row]
    lambdas = sorted({lam for table in tables for lam in table.lam})
    style.space_evenly(ax, lambdas)
    for place, ((attack, look), facet, table) in enumerate(zip(LOOKS.items(), row, tables, strict=True)):
        seeds, shift = facet.panel.points.query("label == @method"), DODGE * (place - (len(row) - 1) / 2)
        curve, seeds = (part.assign(x=part.lam.map(lambdas.index) + shift) for part in (table, seeds))
        draw_curve(ax, curve, seeds, "ra", formatting.attack(attack), look)
