"""Figure 4: SA against RA, one panel per data set, a curve per method from λ=1 (top left) to λ=0 (bottom right)."""

import numpy as np
import pandas as pd

from reports import captions, curves, labels, references, style
from reports.results import Panel, View

TITLE = "Figure 4. Trade-off between standard and robust accuracy"
CLAIM = (
    "One OAT network with dual BN covers a wide range of trade-offs by its input λ alone, close to or above the "
    "frontier of PGD-AT networks trained for one λ each, on all three data sets. On SVHN it goes from SA 94.43 / "
    "RA 62.16 to SA 97.07 / RA 37.32. With normal BN it collapses: on SVHN, RA stays within 61.81–62.62 with SA below "
    "94 for λ from 1 to 0.1 (Sec. 4.2)."
)
KEEP = {"attack": ["pgd7"], "width": [1.0]}


def draw(view: View):
    figure, axes = style.panels(columns=len(view.panels))
    for ax, panel in zip(axes[0], view.panels, strict=True):
        draw_panel(ax, panel, view.scale)
    axes[0][0].set_ylabel("RA (%)")
    legend(figure, axes[0])
    figure.draw_without_rendering()  # settles the layout, so that labels can be placed in pixels
    figure.set_layout_engine("none")
    for ax, panel in zip(axes[0], view.panels, strict=True):
        write_lambdas(ax, curves.curves(panel), references.points(references.of_panel(panel, view.scale)))
    return figure


def draw_panel(ax, panel: Panel, scale: str) -> None:
    style.title(ax, panel.title, panel.subtitle)
    ax.set_xlabel("SA (%)")
    table = curves.curves(panel)
    methods = list(table.label.unique())
    numbers = references.of_panel(panel, scale)
    for label in methods:
        look = style.method(label, methods)
        draw_curve(ax, table[table.label == label], panel.points[panel.points.label == label], label, look)
    if len(panel.points):
        marks = references.points(numbers)
        xs = [*panel.points.sa, *(m["sa"] for m in marks), *(n["sa"] for n in numbers if n["kind"] == "best_sa")]
        ys = [*panel.points.ra, *(m["ra"] for m in marks)]
        ax.set_xlim(style.limits(xs, [*table.sa_low.dropna(), *table.sa_high.dropna()]))
        ax.set_ylim(style.limits(ys, [*table.ra_low.dropna(), *table.ra_high.dropna()]))
        references.draw_tradeoff(ax, numbers)
    else:
        style.empty(ax)
    style.note(ax, panel.missing_text)


def draw_curve(ax, curve: pd.DataFrame, seeds: pd.DataFrame, label: str, look: dict) -> None:
    """curve: a method's rows of curves.curves, λ falling; seeds: its single points."""
    known = curve.dropna(subset=["sa"])
    color, z = look["color"], look["zorder"]
    for _, rows in seeds.groupby(["lam"]) if seeds.seed.nunique() > 1 else []:
        ax.plot(rows.sa, rows.ra, ls="", marker=look["marker"], ms=2, mew=0, color=color, alpha=0.35, zorder=2)
    bars = {
        metric: [known[metric] - known[f"{metric}_low"], known[f"{metric}_high"] - known[metric]]
        for metric in ("sa", "ra")
    }
    ax.errorbar(
        known.sa,
        known.ra,
        xerr=bars["sa"],
        yerr=bars["ra"],
        fmt="none",
        color=color,
        elinewidth=0.6,
        alpha=0.5,
        zorder=z,
    )
    if curve.sa.isna().any():  # a λ without any network: the line breaks, and dots bridge the gap
        ax.plot(known.sa, known.ra, ls=":", lw=0.9, color=color, zorder=z, label="_bridge")
    ax.plot(curve.sa, curve.ra, marker=look["marker"], color=color, mec="white", mew=0.4, zorder=z, label=label)
    style.hollow(ax, known[known.seeds < known.planned], "sa", "ra", look)


def legend(figure, axes) -> None:
    """One legend for all panels, above them."""
    handles = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    texts = [style.LEGEND.get(label, label) for label in handles]
    columns = len(handles) if len(axes) > 1 or len(handles) < 4 else 2
    where = {"loc": "outside upper center", "ncols": columns, "columnspacing": 1.2, "handlelength": 1.8}
    figure.legend(list(handles.values()), texts, **where)


def write_lambdas(ax, table: pd.DataFrame, crosses: list[dict]) -> None:
    """The λ of each point, beside it; a cluster of points shares one, and one that fits nowhere is left out."""
    table, point = table.dropna(subset=["sa"]), ax.figure.dpi / 72
    if not len(table):
        return
    methods = curves.method_order(table.label.unique())
    anchors, texts, colors, markers, lines = [], [], [], [], []
    for label in reversed(methods):
        curve = table[table.label == label]
        pixels = ax.transData.transform(curve[["sa", "ra"]])
        markers.append(pixels)
        lines += [pixels, *bars_of(ax, curve)]
        for index, text in labels.grouped(pixels, [f"{lam:g}" for lam in curve.lam], near=5 * point):
            anchors.append(pixels[index])
            texts.append(text)
            colors.append(style.method(label, methods)["color"])
    markers += [ax.transData.transform((cross["sa"], cross["ra"]))[None] for cross in crosses]
    sizes = np.array([(0.62 * len(text), 0.78) for text in texts]) * style.SMALL * point
    bounds = np.array(ax.get_window_extent().extents)
    obstacles = np.vstack([labels.along(line, step=1.5 * point) for line in lines])
    places = labels.place(anchors, sizes, np.vstack(markers), obstacles, bounds, reach=3.6 * point)
    for text, color, centre in zip(texts, colors, places, strict=True):
        if centre is not None:
            style.tag(ax, ax.transData.inverted().transform(centre), text, color)


def bars_of(ax, curve: pd.DataFrame) -> list[np.ndarray]:
    """The error bars of a curve's points as lines (2, 2) in pixels."""
    across = curve[["sa_low", "ra", "sa_high", "ra"]].to_numpy().reshape(-1, 2, 2)
    upright = curve[["sa", "ra_low", "sa", "ra_high"]].to_numpy().reshape(-1, 2, 2)
    return [ax.transData.transform(bar) for bar in (*across, *upright)]


def caption(view: View) -> str:
    order = "Points of a curve run from λ = 1 (top left) to λ = 0 (bottom right); labels give λ where there is room."
    order += " Long bars are cut at the frame."
    bridge = "Dots bridge a λ of which no network has finished." if captions.gaps(view) else ""
    cited = references.caption(view)
    parts = [order, captions.setting(view), captions.intervals(view), captions.gaps(view), bridge, cited]
    return " ".join(part for part in parts if part)


def summary(view: View) -> list[dict]:
    return [{"heading": panel.title, "below": panel.subtitle, "rows": curves.summary(panel)} for panel in view.panels]
