"""SA (x) against RA (y), a curve per method through its λ: the axes of Figures 4, 6 and 7."""

import numpy as np
import pandas as pd

from reports.load.results import View
from reports.plots import captions, facets, insets, label_placement, paper_numbers, style
from reports.plots.facets import Cell
from reports.statistics import curves


def draw(rows: list[list[Cell]], view: View):
    """A figure of rows and columns of cells."""
    figure, axes = style.panels(columns=len(rows[0]), rows=len(rows), height=2.3 * len(rows) if len(rows) > 1 else None)
    for places, row in zip(axes, rows, strict=True):
        for ax, cell in zip(places, row, strict=True):
            draw_cell(ax, cell, paper_numbers.of_cell(cell, view), style.room(figure, len(row)))
        places[0].set_ylabel("RA (%)")
    for ax in axes[-1]:
        ax.set_xlabel("SA (%)")
    style.legend(figure, axes.flat)
    figure.draw_without_rendering()  # settles the layout, so that labels can be placed in pixels
    figure.set_layout_engine("none")
    for ax, cell in zip(axes.flat, [cell for row in rows for cell in row], strict=True):
        write_cell(ax, cell, paper_numbers.of_cell(cell, view), alone=len(rows[0]) == 1)
    return figure


def draw_cell(ax, cell: Cell, numbers: list[dict], room: int) -> None:
    style.title(ax, cell.heading, cell.below, room=room)
    style.note(ax, cell.note)
    table, points = curves.curves(cell.panel), cell.panel.points
    methods = list(table.label.unique())
    for label in methods:
        look = style.method(label, methods)
        draw_curve(ax, table[table.label == label], points[points.label == label], label, look)
    if not len(points):
        return style.empty(ax, facets.empty_text(cell.panel))
    across, upright = limits(cell, numbers)
    ax.set(xlim=across, ylim=upright)
    paper_numbers.draw_tradeoff(ax, numbers)


def limits(cell: Cell, numbers: list[dict]) -> list[tuple[float, float]]:
    """Of SA and of RA: all points, the paper's numbers, and of the bars what costs little."""
    table, found = curves.curves(cell.panel), []
    for metric in ("sa", "ra"):
        values = [*cell.panel.points[metric], *paper_numbers.values(numbers, metric)]
        bars = [*table[f"{metric}_low"].dropna(), *table[f"{metric}_high"].dropna()]
        found.append(style.limits(values, bars))
    return found


def crowd(cell: Cell, numbers: list[dict]) -> tuple[np.ndarray, np.ndarray] | None:
    """The box (2, 2) that an inset enlarges and the inset's place (4,); None where there is no crowd, or no place."""
    if not len(cell.panel.points):
        return None
    table, bounds = curves.curves(cell.panel).dropna(subset="sa"), limits(cell, numbers)
    box = insets.crowd(table[["sa", "ra"]], bounds)
    if box is None:
        return None
    drawn = [curve[["sa", "ra"]].to_numpy() for _, curve in table.groupby("label", sort=False)]
    drawn += [np.array([[cross["sa"], cross["ra"]]]) for cross in paper_numbers.points(numbers)]
    place = insets.spot(box, drawn, cell.panel.points[["sa", "ra"]].dropna(), bounds)
    return None if place is None else (box, place)


def draw_curve(ax, curve: pd.DataFrame, seeds: pd.DataFrame, label: str, look: dict) -> None:
    """curve: a method's rows of curves.curves, λ falling; seeds: its single points."""
    known = curve.dropna(subset=["sa"])
    color, z = look["color"], look["zorder"]
    if seeds.seed.nunique() > 1:
        ax.plot(seeds.sa, seeds.ra, ls="", marker=look["marker"], ms=2, mew=0, color=color, alpha=0.35, zorder=2)
    bars = {
        f"{axis}err": [known[metric] - known[f"{metric}_low"], known[f"{metric}_high"] - known[metric]]
        for axis, metric in (("x", "sa"), ("y", "ra"))
    }
    ax.errorbar(known.sa, known.ra, **bars, fmt="none", color=color, elinewidth=0.6, alpha=0.35, zorder=z - 2)
    if curve.sa.isna().any():  # a λ without any network: the line breaks, and dots bridge the gap
        ax.plot(known.sa, known.ra, ls=":", lw=0.9, color=color, zorder=z, label="_bridge")
    ax.plot(curve.sa, curve.ra, marker=look["marker"], color=color, mec="white", mew=0.4, zorder=z, label=label)
    style.hollow(ax, known[known.seeds < known.planned], "sa", "ra", look)
    style.leads(ax, seeds.sa, seeds.ra, seeds.key)


def write_cell(ax, cell: Cell, numbers: list[dict], alone: bool) -> None:
    """The λ of the points; those of a crowd in an inset, where the column is alone and so has room for one."""
    table, crosses = curves.curves(cell.panel).dropna(subset=["sa"]), paper_numbers.points(numbers)
    methods = list(table.label.unique())
    found = crowd(cell, numbers) if alone else None
    if found is None:
        return write_lambdas(ax, table, methods, crosses)
    paths = {label: table[table.label == label] for label in methods}
    small = insets.inset(ax, *found)
    for label, path in paths.items():
        look = style.method(label, methods)
        shape = {"marker": look["marker"], "color": look["color"], "mec": "white", "mew": 0.4}
        small.plot(path.sa, path.ra, **shape, zorder=look["zorder"], label=label)
        style.hollow(small, path[path.seeds < path.planned], "sa", "ra", look)
    ax.figure.draw_without_rendering()  # places the inset
    within = table.sa.between(*small.get_xlim()) & table.ra.between(*small.get_ylim())
    write_lambdas(small, table[within], methods, [], bars=False)
    write_lambdas(ax, table[~within], methods, crosses, covered=[small.get_tightbbox().extents])


def write_lambdas(ax, table, methods, crosses: list[dict], bars: bool = True, covered=()) -> None:
    """The λ of each row of a table, beside its point or joined to it by a thin line; a cluster of points shares one,
    and one that fits nowhere is left out. The ends of each curve come first: what lies between can be counted off them.

    covered: (n, 4) boxes in pixels where no label can stand. bars: whether error bars are drawn.
    """
    point, wanted, markers, lines = ax.figure.dpi / 72, [], [], []
    for label in reversed(methods):
        curve = table[table.label == label]
        if not len(curve):
            continue
        pixels = ax.transData.transform(curve[["sa", "ra"]])
        markers.append(pixels)
        lines += [pixels, *(bars_of(ax, curve) if bars else [])]
        color = style.method(label, methods)["color"]
        groups = label_placement.grouped(pixels, [f"{lam:g}" for lam in curve.lam], near=5 * point)
        ends = {groups[0][0], groups[-1][0]}
        wanted += [(index not in ends, pixels[index], text, color) for index, text in groups]
    if not wanted:
        return
    wanted.sort(key=lambda label: label[0])
    between, anchors, texts, colors = zip(*wanted, strict=True)
    markers += [ax.transData.transform((cross["sa"], cross["ra"]))[None] for cross in crosses]
    sizes = np.array([(0.62 * len(text), 0.78) for text in texts]) * style.SMALL * point
    bounds = np.array(ax.get_window_extent().extents)
    obstacles = np.vstack([label_placement.along(line, step=1.5 * point) for line in lines])
    reach, far = 3.6 * point, [not other for other in between]
    places = label_placement.place(anchors, sizes, np.vstack(markers), obstacles, bounds, reach, far, covered)
    for anchor, size, text, color, centre in zip(anchors, sizes, texts, colors, places, strict=True):
        if centre is not None:
            data = ax.transData.inverted()
            style.tag(ax, data.transform(centre), text, color)
            joint = label_placement.leader(anchor, centre, size, reach)
            if joint is not None:
                ax.plot(*data.transform(joint).T, lw=0.4, color=color, zorder=6, label="_leader")


def bars_of(ax, curve: pd.DataFrame) -> list[np.ndarray]:
    """The error bars of a curve's points as lines (2, 2) in pixels."""
    across = curve[["sa_low", "ra", "sa_high", "ra"]].to_numpy().reshape(-1, 2, 2)
    upright = curve[["sa", "ra_low", "sa", "ra_high"]].to_numpy().reshape(-1, 2, 2)
    return [ax.transData.transform(bar) for bar in (*across, *upright)]


def caption(places: list[Cell], view: View, *more: str) -> str:
    """True for what is drawn: the order of λ is read off the curves."""
    table = facets.all_curves(places)
    alone = table.cell.nunique() == 1
    inset = alone and any(crowd(cell, paper_numbers.of_cell(cell, view)) is not None for cell in places)
    inset = "The inset enlarges the crowd that is framed, without bars." if inset else ""
    bridge = "Dots bridge a λ of which no network has finished." if bridged(table) else ""
    parts = [captions.direction(table, places), inset, captions.setting(view), captions.intervals(table)]
    parts += [captions.gaps(view, table), bridge, captions.left_out(view), paper_numbers.caption(places, view), *more]
    return " ".join(part for part in parts if part)


def bridged(table: pd.DataFrame) -> bool:
    """Whether a method with some λ drawn lacks another."""
    counts = table.groupby(["cell", "label"]).sa.agg(["count", "size"])
    return bool(((counts["count"] > 0) & (counts["count"] < counts["size"])).any())
