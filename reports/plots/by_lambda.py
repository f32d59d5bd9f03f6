"""λ (x) against SA and against RA (y): the axes of Figures 5, 8, 9 and 13 and of App. C."""

import itertools

import pandas as pd

from reports.load import formatting
from reports.load.results import View
from reports.plots import captions, facets, paper_numbers, style
from reports.plots.facets import Cell
from reports.statistics import curves

METRICS = {"sa": "SA (%)", "ra": "RA (%)"}
FEW = 8  # λ that can stand evenly spaced
DODGE = 0.12  # in steps of λ, so that the methods' bars stand beside each other
SPREAD = 0.6  # in steps of λ, what all methods together may take
NETWORKS = {"PGD-AT": "PGD-AT (a network per λ)", "PGD-ATS": "PGD-ATS (a network per λ)"}
STAR = "λ not met in training"


def draw(rows: list[list[Cell]], view: View, guests: tuple = ()):
    """Columns of cells with SA above RA, in as many rows of both as there are rows of cells.

    guests: methods that do not set the axes' limits (Fig. 9).
    """
    figure, axes = style.panels(columns=len(rows[0]), rows=2 * len(rows))
    for block, cells_of_row in enumerate(rows):
        for pair, cell in zip(axes[2 * block : 2 * block + 2].T, cells_of_row, strict=True):
            style.title(pair[0], cell.heading, cell.below, room=style.room(figure, len(cells_of_row)))
            draw_pair(pair, cell, paper_numbers.of_cell(cell, view), guests)
            pair[0].tick_params(labelbottom=False)
            pair[1].set_xlabel(xlabel(cell))
        for ax, text in zip(axes[2 * block : 2 * block + 2, 0], METRICS.values(), strict=True):
            ax.set_ylabel(text)
    figure.align_ylabels(axes[:, 0])
    style.legend(figure, axes.flat, NETWORKS, last=STAR)
    return figure


def draw_side_by_side(places: list[Cell], view: View):
    """A row per cell with SA left of RA, as in Figures 5 and 13."""
    figure, axes = style.panels(columns=2, rows=len(places), height=2.3 * len(places))
    for pair, cell in zip(axes, places, strict=True):
        style.title(pair[0], cell.heading, cell.below, "left", style.room(figure, 1))
        draw_pair(pair, cell, paper_numbers.of_cell(cell, view), ())
        for ax, text in zip(pair, METRICS.values(), strict=True):
            ax.set(xlabel=xlabel(cell), ylabel=text)
    style.legend(figure, axes.flat, NETWORKS, last=STAR)
    return figure


def draw_pair(pair, cell: Cell, numbers: list[dict], guests: tuple) -> None:
    """A cell's SA and RA."""
    for ax, metric in zip(pair, METRICS, strict=True):
        draw_axes(ax, cell, metric, numbers, guests)
    style.note(pair[1], cell.note, xy=(1, 1.01), ha="right")


def xlabel(cell: Cell) -> str:
    return "λ" if to_scale(cell) else "λ (evenly spaced)"


def to_scale(cell: Cell) -> bool:
    """λ on a linear axis where there are many; the few of S1 stand evenly, for four of six lie between 0.1 and 0.4."""
    return curves.curves(cell.panel).lam.nunique() > FEW


def draw_axes(ax, cell: Cell, metric: str, numbers: list[dict], guests: tuple) -> None:
    table, points = curves.curves(cell.panel), cell.panel.points
    if not len(points):
        return style.empty(ax, facets.empty_text(cell.panel))
    methods = list(table.label.unique())
    position, shift = places_on_axis(table.lam, methods, to_scale(cell))
    if to_scale(cell):
        ax.set_xlim(min(position.values()) - 0.04, max(position.values()) + 0.04)
    else:
        ax.set_xticks(list(position.values()), [f"{lam:g}" for lam in position])
        ax.set_xlim(-0.4, len(position) - 0.6)
    ax.set_ylim(limits(cell, metric, numbers, guests))
    for label in methods:
        look = style.method(label, methods)
        curve, seeds = (part[part.label == label] for part in (table, points))
        curve, seeds = (part.assign(x=part.lam.map(position) + shift[label]) for part in (curve, seeds))
        draw_curve(ax, curve.sort_values("lam"), seeds, metric, label, look)
    for label in guests:
        if label in methods:
            mark_off_range(ax, cell, metric, label, position)
    paper_numbers.draw_by_lambda(ax, numbers, metric, position, shift)


def places_on_axis(lambdas, methods: list[str], linear: bool) -> tuple[dict[float, float], dict[str, float]]:
    """λ → x, and method → how far its points stand beside that x."""
    grid = sorted(set(lambdas))
    position = {lam: lam if linear else float(step) for step, lam in enumerate(grid)}
    step = min((b - a for a, b in itertools.pairwise(grid)), default=1.0) if linear else 1.0
    dodge = step * min(2 * DODGE if linear else DODGE, (0.8 if linear else SPREAD) / len(methods))
    return position, {label: dodge * (place - (len(methods) - 1) / 2) for place, label in enumerate(methods)}


def limits(cell: Cell, metric: str, numbers: list[dict], guests: tuple) -> tuple[float, float]:
    """y limits by all but the guests, who are let in where that costs no more than half as much again."""

    def of(guests: tuple) -> tuple[float, float]:
        table, points = (part[~part.label.isin(guests)] for part in (curves.curves(cell.panel), cell.panel.points))
        bars = [*table[f"{metric}_low"].dropna(), *table[f"{metric}_high"].dropna()]
        return style.limits([*points[metric], *paper_numbers.values(numbers, metric)], bars)

    everyone = of(())
    if not guests or cell.panel.points.label.isin(guests).all():
        return everyone
    low, high = of(guests)
    if everyone[1] - everyone[0] <= 1.5 * (high - low):
        return everyone
    room = 0.12 * (high - low)  # for the words at the frame
    return low - room * (everyone[0] < low), high + room * (everyone[1] > high)


def draw_curve(ax, curve: pd.DataFrame, seeds: pd.DataFrame, metric: str, label: str, look: dict) -> None:
    """curve: a method's rows of curves.curves with x, λ rising; seeds: its single points with x."""
    known, gone = curve.dropna(subset=[metric]), curve[curve[metric].isna()]
    color, z = look["color"], look["zorder"]
    if seeds.seed.nunique() > 1:
        ax.plot(seeds.x, seeds[metric], ls="", marker=look["marker"], ms=2, mew=0, color=color, alpha=0.35, zorder=2)
    bars = [known[metric] - known[f"{metric}_low"], known[f"{metric}_high"] - known[metric]]
    ax.errorbar(known.x, known[metric], yerr=bars, fmt="none", color=color, elinewidth=0.6, alpha=0.5, zorder=z)
    shape = {"color": color, "mec": "white", "mew": 0.4}
    met = [place for place, unseen in enumerate(curve.unseen) if not unseen]
    ax.plot(curve.x, curve[metric], marker=look["marker"], markevery=met, zorder=z, label=label, **shape)
    stars = known[known.unseen]
    if len(stars):
        ax.plot(stars.x, stars[metric], ls="", **style.STAR, zorder=z + 0.4, label="_unseen", **shape)
        if STAR not in ax.get_legend_handles_labels()[1]:  # one entry for all methods' stars, without a place
            ax.plot([], [], ls="", **style.STAR, **(shape | {"color": "#7a7a7a"}), label=STAR)
    few = known[known.seeds < known.planned]
    style.hollow(ax, few[~few.unseen], "x", metric, look)
    style.hollow(ax, few[few.unseen], "x", metric, look, **style.STAR)
    if len(gone) and len(known):  # nothing has finished at this λ: a hollow marker on the axis, dots bridge the gap
        ax.plot(known.x, known[metric], ls=":", lw=0.9, color=color, zorder=z, label="_bridge")
    if len(gone):
        floor = gone.assign(floor=ax.get_ylim()[0])
        style.hollow(ax, floor, "x", "floor", look, clip_on=False)
    style.leads(ax, seeds.x, seeds[metric], seeds.key)


def beyond(cell: Cell, metric: str, label: str, frame: tuple[float, float]) -> dict[str, pd.DataFrame]:
    """The points of a method's curve below and above the frame."""
    table = curves.curves(cell.panel)
    own = table[table.label == label].dropna(subset=[metric])
    return {"below": own[own[metric] < frame[0]], "above": own[own[metric] > frame[1]]}


def is_beyond(cell: Cell, view: View, guests: tuple, label: str) -> bool:
    numbers = paper_numbers.of_cell(cell, view)
    frames = {metric: limits(cell, metric, numbers, guests) for metric in METRICS} if len(cell.panel.points) else {}
    return any(len(far) for metric in frames for far in beyond(cell, metric, label, frames[metric]).values())


def mark_off_range(ax, cell: Cell, metric: str, label: str, position: dict[float, float]) -> None:
    """Arrows at the frame where a method's points lie beyond it, with their values."""
    color, (low, high) = style.method(label)["color"], ax.get_ylim()
    for side, far in beyond(cell, metric, label, (low, high)).items():
        if not len(far):
            continue
        edge, arrow, y, va = (low, "v", 0.05, "bottom") if side == "below" else (high, "^", 0.95, "top")
        shape = {"ls": "", "ms": 4, "color": color, "clip_on": False, "zorder": 6, "label": "_off_range"}
        ax.plot(far.lam.map(position), [edge] * len(far), marker=arrow, **shape)
        ax.text(
            *(0.5, y, f"{label}: {curves.span(far[metric])} %"),
            **{"transform": ax.transAxes, "color": color, "fontsize": style.SMALL, "ha": "center", "va": va},
            bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.5},
            zorder=7,
        )


def caption(places: list[Cell], view: View, lead: str = "", guests: tuple = ()) -> str:
    """True for what is drawn; lead: what is the figure's own."""
    table = facets.all_curves(places)
    linear = {to_scale(cell) for cell in places}
    spacing = "to scale" if linear == {True} else "evenly spaced, not to scale"
    spacing = f"evenly spaced, or to scale where there are more than {FEW}" if len(linear) == 2 else spacing
    order = f"λ is {spacing}; methods stand side by side at each λ; long bars are cut at the frame."
    stars = "Stars: λ that the network did not meet in training." if table.unseen[table.sa.notna()].any() else ""
    floor = "A hollow marker on the axis: no network has finished at that λ." if table.sa.isna().any() else ""
    far = [label for label in guests if any(is_beyond(cell, view, guests, label) for cell in places)]
    arrows = f"Arrows at the frame: {formatting.listing(far)} beyond it, with the range of the values." if far else ""
    parts = [lead, order, stars, arrows, captions.setting(view), captions.intervals(table), captions.gaps(view, table)]
    parts += [floor, captions.left_out(view), paper_numbers.caption(places, view)]
    return " ".join(part for part in parts if part)
