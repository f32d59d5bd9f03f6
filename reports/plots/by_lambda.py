"""Draw λ (x) against SA and against RA (y): the axes of Figures 5, 8, 9 and 13 and of App. C."""

import itertools

import pandas as pd

from reports.load import formatting
from reports.load.panels import View
from reports.plots import captions, paper_numbers, style
from reports.plots.accuracy_limits import all_limits, is_cut, limits
from reports.plots.facets import Facet, alike, all_curves, empty_text, share_subtitle
from reports.statistics.curve_tables import value_range
from reports.statistics.curves import curves

AXIS_LABELS = {"sa": "SA (%)", "ra": "RA (%)"}
FEW = 8  # largest number of λ that stand evenly spaced
DODGE = 0.12  # offset between methods, in steps of λ, so that their bars stand side by side
SPREAD = 0.6  # largest offset over all methods, in steps of λ
LEGEND = {"PGD-AT": "PGD-AT (a network per λ)", "PGD-ATS": "PGD-ATS (a network per λ)"}
STAR = "λ not met in training"


def draw(rows: list[list[Facet]], view: View, off_range: tuple[str, ...] = ()):
    """Draw SA above RA in each column of facets, in as many pairs of rows as there are rows of facets.

    A single column is drawn side by side, and so are those that the figure is too narrow
    for. off_range: methods that do not set the limits of the axes (Fig. 9).
    """
    if len(rows[0]) == 1 or style.side_by_side(len(rows[0])) < len(rows[0]):
        return draw_side_by_side(rows, view, off_range)
    rows, subtitle = share_subtitle(rows)
    figure, axes = style.subplots(columns=len(rows[0]), rows=2 * len(rows))
    for row, upper, lower in zip(rows, axes[::2], axes[1::2], strict=True):
        for facet, sa, ra in zip(row, upper, lower, strict=True):
            style.title(sa, facet.heading, facet.below, room=style.room(figure, len(row)))
            draw_pair((sa, ra), facet, row, view, off_range)
            sa.tick_params(labelbottom=False)
            ra.set_xlabel(xlabel(facet))
        upper[0].set_ylabel(AXIS_LABELS["sa"])
        lower[0].set_ylabel(AXIS_LABELS["ra"])
    figure.align_ylabels(axes[:, 0])
    style.legend(figure, axes.flat, LEGEND, last=STAR, above=subtitle)
    return figure


def draw_side_by_side(rows: list[list[Facet]], view: View, off_range: tuple[str, ...] = ()):
    """Draw SA left of RA in a row per facet, as in Figures 5 and 13."""
    facets = sum(rows, [])
    figure, axes = style.subplots(columns=2, rows=len(facets), height=2.3 * len(facets))
    figure.get_layout_engine().set(wspace=0.04)
    for pair, facet in zip(axes, facets, strict=True):
        narrow = figure.get_figwidth() < style.TEXT_WIDTH  # so that the subtitle has SA's axes alone
        style.title(pair[0], facet.heading, facet.below, "left", style.room(figure, 2 if narrow else 1))
        draw_pair(pair, facet, [facet], view, off_range)
        for ax, text in zip(pair, AXIS_LABELS.values(), strict=True):
            ax.set(xlabel=xlabel(facet), ylabel=text)
    style.legend(figure, axes.flat, LEGEND, last=STAR)
    return figure


def draw_pair(pair, facet: Facet, row: list[Facet], view: View, off_range: tuple[str, ...]) -> None:
    """Draw SA and RA of a facet. row: the facets beside it; those of the same networks share its axes."""
    for ax, metric in zip(pair, AXIS_LABELS, strict=True):
        if len(facet.panel.points):
            draw_axes(ax, facet, metric, view, limits(facet, row, view, metric, off_range), off_range)
        else:
            style.empty(ax, empty_text(facet.panel))
        if row[0] is not facet and row[0] in alike(facet, row):
            ax.tick_params(labelleft=False)
    style.note(pair[1], facet.note, xy=(1, 1.01), ha="right")


def xlabel(facet: Facet) -> str:
    return "λ" if is_linear(facet) else "λ (evenly spaced)"


def is_linear(facet: Facet) -> bool:
    """Whether λ has a linear axis. The few λ of S1 stand evenly spaced, since four of six lie between 0.1 and 0.4."""
    return curves(facet.panel).lam.nunique() > FEW


def draw_axes(ax, facet: Facet, metric: str, view: View, ylim, off_range: tuple[str, ...]) -> None:
    """Draw one metric of a facet, a λ without finished networks as a hollow marker on the axis."""
    table, points = curves(facet.panel), facet.panel.points
    methods = list(table.label.unique())
    position, shift = axis_positions(table.lam, methods, is_linear(facet))
    if is_linear(facet):
        ax.set_xlim(min(position) - 0.04, max(position) + 0.04)
    else:
        style.space_evenly(ax, list(position))
    for label in methods:
        look = style.method(label, methods)
        curve, seeds = (part[part.label == label] for part in (table, points))
        curve, seeds = (part.assign(x=part.lam.map(position) + shift[label]) for part in (curve, seeds))
        draw_curve(ax, curve.sort_values("lam"), seeds, metric, label, look)
        missing = curve[curve[metric].isna()].assign(floor=ylim[0])
        style.hollow(ax, missing, "x", "floor", look, clip_on=False)
    paper_numbers.draw_by_lambda(ax, paper_numbers.numbers_for(facet, view), metric, position, shift)
    ax.set_ylim(ylim)
    for label in off_range:
        if label in methods:
            mark_off_range(ax, facet, metric, label, position)


def axis_positions(lambdas, methods: list[str], linear: bool) -> tuple[dict[float, float], dict[str, float]]:
    """λ → x, and method → offset of its points from that x."""
    grid = sorted(set(lambdas))
    position = {lam: lam if linear else float(step) for step, lam in enumerate(grid)}
    step = min((b - a for a, b in itertools.pairwise(grid)), default=1.0) if linear else 1.0
    dodge = step * min(2 * DODGE if linear else DODGE, (0.8 if linear else SPREAD) / len(methods))
    return position, {label: dodge * (place - (len(methods) - 1) / 2) for place, label in enumerate(methods)}


def draw_curve(ax, curve: pd.DataFrame, seeds: pd.DataFrame, metric: str, label: str, look: dict) -> None:
    """Draw one method. curve: its rows of `curves` with x, λ rising; seeds: its single points with x."""
    finished, color, z = curve.dropna(subset=[metric]), look["color"], look["zorder"]
    style.single_seeds(ax, seeds, "x", metric, look)
    bars = [finished[metric] - finished[f"{metric}_low"], finished[f"{metric}_high"] - finished[metric]]
    ax.errorbar(finished.x, finished[metric], yerr=bars, fmt="none", color=color, elinewidth=0.6, alpha=0.5, zorder=z)
    shape = {"color": color, "mec": "white", "mew": 0.4}
    line = shape | {"ls": look.get("ls", "-"), "marker": look["marker"]}
    met = [place for place, unseen in enumerate(curve.unseen) if not unseen]
    ax.plot(curve.x, curve[metric], markevery=met, zorder=z, label=label, **line)
    stars = finished[finished.unseen]
    if len(stars):
        ax.plot(stars.x, stars[metric], ls="", **style.STAR, zorder=z + 0.4, label="_unseen", **shape)
        if STAR not in ax.get_legend_handles_labels()[1]:  # one legend entry for the stars of all methods
            ax.plot([], [], ls="", **style.STAR, **(shape | {"color": "#7a7a7a"}), label=STAR)
    style.hollow(ax, finished[~finished.unseen], "x", metric, look)
    style.hollow(ax, stars, "x", metric, look, **style.STAR)
    style.bridge(ax, curve, "x", metric, look)
    style.links(ax, seeds.x, seeds[metric], seeds.key)


def beyond(facet: Facet, metric: str, label: str, frame: tuple[float, float]) -> dict[str, pd.DataFrame]:
    """Side of the frame → a method's points beyond it, where there are any."""
    table = curves(facet.panel)
    curve = table[table.label == label]
    sides = {"below": curve[curve[metric] < frame[0]], "above": curve[curve[metric] > frame[1]]}
    return {side: far for side, far in sides.items() if len(far)}


def mark_off_range(ax, facet: Facet, metric: str, label: str, position: dict[float, float]) -> None:
    """Draw arrows at the frame where a method's points lie beyond it, with the range of their values."""
    color, (low, high) = style.method(label)["color"], ax.get_ylim()
    for side, far in beyond(facet, metric, label, (low, high)).items():
        edge, arrow, y, va = (low, "v", 0.05, "bottom") if side == "below" else (high, "^", 0.95, "top")
        shape = {"ls": "", "ms": 4, "color": color, "clip_on": False, "zorder": 6, "label": "_off_range"}
        ax.plot(far.lam.map(position), [edge] * len(far), marker=arrow, **shape)
        text, box = f"{label}: {value_range(far[metric])} %", {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.5}
        where = {"transform": ax.transAxes, "ha": "center", "va": va, "bbox": box, "zorder": 7}
        ax.text(0.5, y, text, color=color, fontsize=style.small(), **where)


def caption(facets: list[Facet], view: View, off_range: tuple[str, ...] = ()) -> str:
    """Caption generated from the drawn data."""
    table = all_curves(facets)
    linear = {is_linear(facet) for facet in facets}
    spacing = "to scale" if linear == {True} else "evenly spaced, not to scale"
    spacing = f"evenly spaced, or to scale for more than {FEW} values" if len(linear) == 2 else spacing
    axes = all_limits(facets, view, off_range)
    far = [label for label in off_range if any(beyond(facet, metric, label, frame) for facet, metric, frame in axes)]
    unseen = table.unseen[table.sa.notna()].any()
    gap = "A hollow marker on the axis: no network has finished at that λ." if table.sa.isna().any() else ""
    return captions.join(
        f"λ is {spacing}; methods stand side by side at each λ.",
        captions.CUT if is_cut(facets, view, off_range) else "",
        "Stars: λ that the network did not meet in training." if unseen else "",
        f"Arrows at the frame: {formatting.listing(far)} beyond it, with the range of the values." if far else "",
        captions.of_curves(facets, view, gap),
    )
