"""Draw the protocol ledger as a forest plot: a line per ledger row, differences in SA left and in RA right."""

import pandas as pd
from matplotlib.lines import Line2D

from reports.plots import style
from reports.plots.facets import Facet
from reports.statistics import protocol_ablation

METRICS = {"sa": "SA", "ra": "RA"}
MEAN = {"marker": "s", "color": "#000000", "ms": 4}
MARKS = {
    "mean over S1": MEAN,
    "mean over λ": MEAN,
    "mean over unseen λ": {"marker": "D", "color": "#009E73", "ms": 3.6},
    "λ = 0": {"marker": "v", "color": "#0072B2", "ms": 3.6},
    "λ = 1": {"marker": "^", "color": "#D55E00", "ms": 3.6},
}
STEP = 0.24  # between the marks of a ledger row; rows stand 1 apart


def draw(facets: list[Facet]):
    tables = [protocol_ablation.comparisons(facet.panel) for facet in facets]
    counts = [max(table.row.nunique(), 1) for table in tables]
    figure, axes = style.subplots(
        columns=2,
        rows=len(facets),
        height=0.36 * sum(counts) + 0.75 * len(facets) + 0.35,
        least=0.1,  # SA and RA share their rows
        sharey="row",
        height_ratios=[count + 1 for count in counts],
    )
    style.set_text_width(figure)
    for pair, facet, table in zip(axes, facets, tables, strict=True):
        style.title(pair[0], facet.heading, facet.below, "left", room=60)
        style.note(pair[1], facet.note, xy=(1, 1.01), ha="right")
        for ax, metric in zip(pair, METRICS, strict=True):
            draw_axes(ax, table[table.metric == metric], METRICS[metric])
    shown = [place for place in MARKS if any((table.place == place).any() for table in tables)]
    handles = [Line2D([], [], ls="", **MARKS[place]) for place in shown]
    if shown:
        figure.legend(handles, shown, loc="outside upper center", ncols=len(shown), handletextpad=0.3)
    return figure


def draw_axes(ax, table: pd.DataFrame, metric: str) -> None:
    """Draw a line per ledger row, downwards in the ledger's order. table: comparisons of one metric."""
    linear_to = linear_limit(table)
    scale = f"\nlogarithmic beyond ±{linear_to}" if linear_to else ""
    ax.set_xlabel(f"Δ{metric} to the baseline (pp){scale}")
    if not len(table):
        return style.empty(ax, "no ledger row is planned")
    names = list(dict.fromkeys(table.row))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [row_text(table[table.row == name].iloc[0]) for name in names], fontsize=6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.axvline(0, color="#555555", lw=0.7, zorder=1)
    low, high = limits(table)
    if linear_to:
        ax.set_xscale("symlog", linthresh=linear_to, linscale=2)
        ticks = [sign * size * linear_to for size in (0.5, 1, 5, 25) for sign in (-1, 1)]
        ax.set_xticks(sorted({t for t in [0, *ticks] if low <= t <= high}), minor=False)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        for edge in (-linear_to, linear_to):
            ax.axvline(edge, color="#b0b0b0", lw=0.7, ls=(0, (2, 2)), zorder=1)
    ax.set_xlim(low, high)
    for line, name in enumerate(names):
        if line % 2:
            ax.axhspan(line - 0.5, line + 0.5, color="#f5f5f5", lw=0, zorder=0)
        marks = table[table.row == name]
        for place, mark in enumerate(marks.itertuples()):
            draw_mark(ax, mark, line + STEP * (place - (len(marks) - 1) / 2))


def draw_mark(ax, mark, y: float) -> None:
    """Draw a difference with its interval: filled if the interval excludes 0, with a star if also after Holm."""
    if pd.isna(mark.difference):
        ax.text(0, y, " not finished ", fontsize=style.small(), color="#666666", style="italic", va="center")
        return
    look = MARKS[mark.place]
    face = look["color"] if mark.p < 0.05 else "white"
    ax.plot([mark.low, mark.high], [y, y], color=look["color"], lw=0.9, alpha=0.75, zorder=3, label="_bar")
    shape = look | {"mfc": face, "mec": look["color"], "mew": 0.8, "zorder": 4, "label": f"_{mark.place}"}
    ax.plot(mark.difference, y, ls="", **shape)
    style.links(ax, [mark.difference], [y], mark.keys[:1])
    if mark.p_holm < 0.05:
        end = min(mark.high, ax.get_xlim()[1])
        ax.annotate("*", (end, y), (1.5, -1.5), textcoords="offset points", va="center", fontsize=7)


def row_text(row) -> str:
    default = row.baseline in (protocol_ablation.DEFAULT, None)
    return row.row if default else f"{row.row}\n(against {row.baseline})"


def limits(table: pd.DataFrame) -> tuple[float, float]:
    """x limits around 0 and all differences. Bars extend these by at most half on either side, or by what most need."""
    finished = table.dropna(subset="difference")
    low, high = min([0.0, *finished.difference]), max([0.0, *finished.difference])
    if not len(finished):
        return -1.0, 1.0
    bars = (finished.high - finished.low)[finished.high > finished.low] / 2
    room = max((high - low) / 2, 0.5, 1.5 * bars.median() if len(bars) else 0.0)
    low, high = max(min([low, *finished.low]), low - room), min(max([high, *finished.high]), high + room)
    return low - 0.06 * (high - low + 0.1), high + 0.06 * (high - low + 0.1)


def linear_limit(table: pd.DataFrame) -> int | None:
    """Distance from 0, in pp, up to which an axis is linear before it becomes logarithmic; None for a linear axis.

    A row that ruins the network would press all others onto 0, so the linear part holds most intervals.
    """
    finished = table.dropna(subset="difference")
    if not len(finished):
        return None
    reach = finished[["low", "high"]].abs().max(axis=1)
    limit = next(size for size in (2, 5, 10, 20, 50, 100) if size >= min(2 * reach.median(), 100))
    return limit if finished.difference.abs().max() > 2 * limit else None
