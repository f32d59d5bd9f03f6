"""Draw the cost of a forward pass: MACs, parameters and milliseconds, a line per method and width (Sec. 4.3)."""

import numpy as np
import pandas as pd

from reports.load.panels import Panel, View
from reports.plots import style
from reports.statistics.forward_cost import PAPER_MACS, costs, is_papers_setting

NAMED_AXES = 1.8  # inches, where the names of methods stand beside each set of axes
AXIS_LABELS = {"macs": "MACs per image", "parameters": "parameters", "milliseconds": "ms per batch"}


def draw(view: View):
    lines = [max(len(costs(panel)), 3) for panel in view.panels]
    figure, axes = style.subplots(len(AXIS_LABELS), len(view.panels), height=0.75 + 0.19 * sum(lines), least=NAMED_AXES)
    for row, panel in zip(axes, view.panels, strict=True):
        draw_panel(row, panel, view.scale)
    return figure


def draw_panel(axes, panel: Panel, scale: str) -> None:
    table = costs(panel)
    style.title(style.middle(axes), panel.title, panel.subtitle)
    if not len(table):
        return style.nothing_drawn(axes, panel.missing_text)
    labels = list(table.label.unique())
    methods = (table.label != table.label.shift()).cumsum() - 1
    ys = np.arange(len(table)) + 0.5 * methods.to_numpy()  # half a line between methods
    for ax, name in zip(axes, AXIS_LABELS, strict=True):
        divisor, prefix = si_prefix(table[name].max()) if name != "milliseconds" else (1.0, "")
        for label in labels:
            rows = (table.label == label).to_numpy()
            look = style.method(label, labels)
            values = table[name][rows] / divisor
            ax.hlines(ys[rows], 0, values, color=look["color"], lw=0.8, alpha=0.5)
            ax.plot(values, ys[rows], ls="", marker=look["marker"], color=look["color"], mec="white", mew=0.4, ms=5)
            style.links(ax, values, ys[rows], table.key[rows])
            if name == "milliseconds":
                ax.hlines(ys[rows], table.least[rows], table.greatest[rows], color=look["color"], lw=1.6)
        write_overheads(ax, table, name, divisor, ys)
        if name == "macs" and is_papers_setting(panel, scale):
            draw_papers_macs(ax, table, ys, divisor)
        ax.set_xlabel(f"{AXIS_LABELS[name]}{f' ({prefix})' if prefix else ''}")
        ax.set_xlim(0, 1.7 * line_ends(table, name).max() / divisor)  # room for the percentages
    several = table.groupby("label").width.transform("size") > 1
    names = table.label.where(~several, table.label + table.width.map(", {:g}×".format))
    style.name_lines(axes, ys, list(names), (ys.max() + 0.7, ys.min() - 0.7))
    style.note(axes[2], panel.missing_text, xy=(1, 1.02), ha="right")


def si_prefix(largest: float) -> tuple[float, str]:
    """Divisor and prefix: 1e9, G from a tenth of that on; otherwise 1e6, M."""
    return (1e9, "G") if largest >= 1e8 else (1e6, "M")


def line_ends(table: pd.DataFrame, name: str) -> pd.Series:
    return table.greatest if name == "milliseconds" else table[name]


def write_overheads(ax, table: pd.DataFrame, name: str, divisor: float, ys) -> None:
    """Write the overhead beside the line of each method with a baseline."""
    for y, end, row in zip(ys, line_ends(table, name), table.to_dict("records"), strict=True):
        if np.isfinite(row[f"{name}_over"]):
            where = {"textcoords": "offset points", "va": "center_baseline", "fontsize": style.small()}
            ax.annotate(overhead_text(row[f"{name}_over"]), (end / divisor, y), (5, 0), **where)


def overhead_text(ratio: float) -> str:
    """Write a ratio as an overhead: 1.011 → +1.1 %; a dash for NaN."""
    return f"{100 * (ratio - 1):+.1f} %".replace("-", "−") if np.isfinite(ratio) else "–"


def draw_papers_macs(ax, table: pd.DataFrame, ys, divisor: float) -> None:
    for y, row in zip(ys, table.itertuples(), strict=True):
        if row.label in PAPER_MACS and row.width == 1:
            macs = PAPER_MACS[row.label] / divisor
            ax.plot(macs, y, ls="", marker="x", ms=5.5, mew=1.2, color="#009E73", zorder=7)
