"""Draw RA against λ, a column per method, a line per attack: the axes of the figure `modern`."""

import pandas as pd

from reports.load import formatting
from reports.plots import accuracy_limits, style
from reports.plots.facets import Facet, empty_text, shared_parts
from reports.statistics.curves import curves, method_order

LOOKS = {  # attack → look, from the attack expected to find least to the strongest
    "pgd7": {"color": "#7a7a7a", "marker": "s", "zorder": 3, "ls": (0, (4, 2))},
    "cw50-r10": {"color": "#009E73", "marker": "D", "zorder": 4, "ls": "-"},
    "pgd50-r10": {"color": "#56B4E9", "marker": "v", "zorder": 4, "ls": "-"},
    "autoattack": {"color": "#CC79A7", "marker": "o", "zorder": 5, "ls": "-"},
}
DODGE = 0.07  # offset between attacks, in steps of λ, so that their bars stand side by side


def planned_methods(row: list[Facet]) -> list[str]:
    """Planned methods of a row of facets, one facet per attack."""
    return method_order(row[0].panel.trials.label.unique())


def method_curve(facet: Facet, method: str) -> pd.DataFrame:
    """A method's rows of `curves` under a facet's attack, λ rising."""
    table = curves(facet.panel)
    return table[table.label == method].sort_values("lam", ignore_index=True)


def draw(rows: list[list[Facet]]):
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
                ax.set_ylim(accuracy_limits.limits(row, "ra"))
        style.note(axes_row[0], row[0].note, xy=(0.03, 0.93))  # a rising curve leaves room there
        for ax in filter(style.is_left, axes_row):
            ax.set_ylabel("RA (%)")
    style.legend(figure, axes.flat, above=shared)
    return figure


def draw_axes(ax, row: list[Facet], method: str) -> None:
    if not any(len(facet.panel.points) for facet in row):
        return style.empty(ax, empty_text(row[0].panel))
    tables = {attack: method_curve(facet, method) for attack, facet in zip(LOOKS, row, strict=True)}
    lambdas = sorted({lam for table in tables.values() for lam in table.lam})
    ax.set_xticks(range(len(lambdas)), [f"{lam:g}" for lam in lambdas])
    ax.set_xlim(-0.4, len(lambdas) - 0.6)
    for place, ((attack, table), facet) in enumerate(zip(tables.items(), row, strict=True)):
        look, finished, shift = LOOKS[attack], table.dropna(subset="ra"), DODGE * (place - (len(tables) - 1) / 2)
        seeds, x = facet.panel.points[facet.panel.points.label == method], table.lam.map(lambdas.index) + shift
        if seeds.seed.nunique() > 1:
            shape = {"ls": "", "marker": look["marker"], "ms": 2, "mew": 0, "color": look["color"], "alpha": 0.35}
            ax.plot(seeds.lam.map(lambdas.index) + shift, seeds.ra, **shape, zorder=2, label="_seeds")
        bars = [finished.ra - finished.ra_low, finished.ra_high - finished.ra]
        shape = {"fmt": "none", "color": look["color"], "elinewidth": 0.6, "alpha": 0.5}
        ax.errorbar(x[finished.index], finished.ra, yerr=bars, **shape)
        ax.plot(x, table.ra, **look, mec="white", mew=0.4, label=formatting.attack(attack))
        few = finished[finished.seeds < finished.planned]
        style.hollow(ax, few.assign(x=x[few.index]), "x", "ra", look)
