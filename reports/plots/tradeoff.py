"""Draw SA (x) against RA (y), a curve per method through its λ: the axes of Figures 4, 6 and 7."""

import numpy as np
import pandas as pd

from reports.load.panels import View
from reports.plots import captions, label_placement, paper_numbers, style
from reports.plots.accuracy_limits import is_cut, limits
from reports.plots.facets import Facet, alike, all_curves, empty_text, share_subtitle
from reports.statistics.curves import FRONTIERS, curves

SMALLEST, GROWTH = 2.6, 2.6  # points: a marker's size at λ = 0, and how much larger it is at λ = 1


def draw(rows: list[list[Facet]], view: View):
    height = 2.3 * len(rows) if len(rows) > 1 else None
    rows, subtitle = share_subtitle(rows)
    figure, axes = style.subplots(columns=len(rows[0]), rows=len(rows), height=height)
    for axes_row, row in zip(axes, rows, strict=True):
        for ax, facet in zip(axes_row, row, strict=True):
            draw_facet(ax, facet, row, view, style.room(figure, len(row)))
        for ax in filter(style.is_left, axes_row):
            ax.set_ylabel("RA (%)")
    for ax in axes[-1]:
        ax.set_xlabel("SA (%)")
    style.legend(figure, axes.flat, above=subtitle)
    figure.draw_without_rendering()  # settles the layout, so that labels can be placed in pixels
    figure.set_layout_engine("none")
    for ax, facet in zip(axes.flat, sum(rows, []), strict=True):
        write_lambdas(ax, facet, view)
    return figure


def draw_facet(ax, facet: Facet, row: list[Facet], view: View, room: int) -> None:
    """Draw the curves of a facet. row: the facets beside it. room: characters per line of the subtitle."""
    style.title(ax, facet.heading, facet.below, room=room)
    style.note(ax, facet.note)
    table, points = curves(facet.panel), facet.panel.points
    methods = list(table.label.unique())
    for label in methods:
        look = style.method(label, methods)
        draw_curve(ax, table[table.label == label], points[points.label == label], label, look)
    if not len(points):
        return style.empty(ax, empty_text(facet.panel))
    ax.set(xlim=limits(facet, row, view, "sa"), ylim=limits(facet, row, view, "ra"))
    if not style.is_left(ax) and row[0] in alike(facet, row):
        ax.tick_params(labelleft=False)
    paper_numbers.draw_tradeoff(ax, paper_numbers.numbers_for(facet, view))


def draw_curve(ax, curve: pd.DataFrame, seeds: pd.DataFrame, label: str, look: dict) -> None:
    """Draw one method. curve: its rows of `curves`, λ falling; seeds: its single points."""
    finished = curve.dropna(subset=["sa"])
    color, z = look["color"], look["zorder"]
    style.single_seeds(ax, seeds, "sa", "ra", look)
    bars = {
        f"{axis}err": [finished[metric] - finished[f"{metric}_low"], finished[f"{metric}_high"] - finished[metric]]
        for axis, metric in (("x", "sa"), ("y", "ra"))
    }
    ax.errorbar(finished.sa, finished.ra, **bars, fmt="none", color=color, elinewidth=0.6, alpha=0.35, zorder=z - 2)
    style.bridge(ax, curve, "sa", "ra", look)
    line = {"ls": look.get("ls", "-"), "marker": look["marker"], "ms": SMALLEST, "mew": 0, "color": color}
    ax.plot(curve.sa, curve.ra, **line, zorder=z, label=label)
    sizes = (SMALLEST + GROWTH * finished.lam) ** 2
    shape = {"c": color, "marker": look["marker"], "ec": "white", "lw": 0.4, "zorder": z, "label": "_sizes"}
    ax.scatter(finished.sa, finished.ra, sizes, **shape)
    style.hollow(ax, finished, "sa", "ra", look)
    style.links(ax, seeds.sa, seeds.ra, seeds.key)


def write_lambdas(ax, facet: Facet, view: View) -> None:
    """Write λ beside the ends of each curve and every point of the frontier, or join it to the point by a thin line.

    A cluster of points shares one label, and a label that fits nowhere is left out. The ends have priority.
    """
    table, crosses = curves(facet.panel), paper_numbers.points(paper_numbers.numbers_for(facet, view))
    methods, point, labels, markers, lines = list(table.label.unique()), ax.figure.dpi / 72, [], [], []
    for label, curve in reversed(list(table.dropna(subset="sa").groupby("label", sort=False))):
        pixels = ax.transData.transform(curve[["sa", "ra"]])
        markers.append(pixels)
        lines += [pixels, *error_bars(ax, curve)]
        color = style.method(label, methods)["color"]
        named = list(range(len(curve))) if label in FRONTIERS else sorted({0, len(curve) - 1})
        texts = [f"{curve.lam.iloc[index]:g}" for index in named]
        groups = label_placement.grouped(pixels[named], texts, near=5 * point)
        ends = {groups[0][0], groups[-1][0]}
        labels += [(index not in ends, pixels[named[index]], text, color) for index, text in groups]
    if not labels:
        return
    labels.sort(key=lambda label: label[0])
    between, anchors, texts, colors = zip(*labels, strict=True)
    markers += [ax.transData.transform((cross["sa"], cross["ra"]))[None] for cross in crosses]
    sizes = np.array([(0.62 * len(text), 0.78) for text in texts]) * style.small() * point
    bounds = np.array(ax.get_window_extent().extents)
    obstacles = np.vstack([label_placement.along(line, step=1.5 * point) for line in lines])
    reach, far = 4.3 * point, [not other for other in between]
    centres = label_placement.place(anchors, sizes, np.vstack(markers), obstacles, bounds, reach, far)
    for anchor, size, text, color, centre in zip(anchors, sizes, texts, colors, centres, strict=True):
        if centre is not None:
            data = ax.transData.inverted()
            style.tag(ax, data.transform(centre), text, color)
            leader = label_placement.leader(anchor, centre, size, reach)
            if leader is not None:
                ax.plot(*data.transform(leader).T, lw=0.4, color=color, zorder=6, label="_leader")


def error_bars(ax, curve: pd.DataFrame) -> list[np.ndarray]:
    """Error bars of a curve's points as lines (2, 2) in pixels."""
    across = curve[["sa_low", "ra", "sa_high", "ra"]].to_numpy().reshape(-1, 2, 2)
    upright = curve[["sa", "ra_low", "sa", "ra_high"]].to_numpy().reshape(-1, 2, 2)
    return [ax.transData.transform(bar) for bar in (*across, *upright)]


def caption(facets: list[Facet], view: View) -> str:
    """Caption generated from the drawn data."""
    return captions.join(
        captions.direction(all_curves(facets), facets),
        "The larger a marker, the larger λ.",
        captions.CUT if is_cut(facets, view) else "",
        captions.of_curves(facets, view),
    )
