"""Draw what the adjustment of λ costs: training, stacked over the λ of dedicated networks, and time per batch."""

import pandas as pd

from bench.human_units import format_duration
from reports.load.panels import Panel, View
from reports.plots import style
from reports.plots.forward_cost import NAMED_AXES, si_prefix
from reports.statistics.adjustment_cost import switch_times, trainings
from reports.statistics.curves import method_order

HEADINGS = {"macs": "training, MACs", "seconds": "training, seconds", "milliseconds": "ms per batch"}


def draw(view: View):
    """Draw a row of three axes per data set, a bar per method."""
    figure, axes = style.subplots(len(HEADINGS), len(view.panels), height=1.5 * len(view.panels), least=NAMED_AXES)
    for row, panel in zip(axes, view.panels, strict=True):
        draw_panel(row, panel)
    return figure


def draw_panel(axes, panel: Panel) -> None:
    table, times = trainings(panel), switch_times(panel)
    style.title(style.middle(axes), panel.title, panel.subtitle)
    if not len(table):
        return style.nothing_drawn(axes, panel.missing_text)
    labels = method_order(table.label.unique())
    for ax, quantity in zip(axes[:2], ("macs", "seconds"), strict=True):
        divisor, prefix = si_prefix(table[quantity].max()) if quantity == "macs" else (1.0, "")
        draw_stacks(ax, table, quantity, labels, divisor)
        ax.set_xlabel(HEADINGS[quantity] + (f" ({prefix})" if prefix else ""))
    draw_times(axes[2], times, labels)
    axes[2].set_xlabel(HEADINGS["milliseconds"])
    style.name_lines(axes, range(len(labels)), labels, (len(labels) - 0.4, -0.6))
    style.note(axes[2], panel.missing_text, xy=(1, 1.02), ha="right")


def draw_stacks(ax, table: pd.DataFrame, quantity: str, labels: list[str], divisor: float) -> None:
    """Draw a bar per method, a segment per network, means over seeds; the total stands beside it."""
    means = table.groupby(["label", "lam"], dropna=False)[quantity].mean() / divisor
    for y, label in enumerate(labels):
        segments = means[label]
        left = segments.cumsum() - segments
        ax.barh(y, segments, left=left, height=0.55, color=style.method(label, labels)["color"], ec="white", lw=0.6)
        total = format_duration(segments.sum()) if quantity == "seconds" else f"{segments.sum():,.0f}"
        ax.annotate(total, (segments.sum(), y), (3, 0), textcoords="offset points", va="center", fontsize=style.small())
    ax.set_xlim(0, 1.3 * means.groupby("label").sum().max())


def draw_times(ax, times: pd.DataFrame, labels: list[str]) -> None:
    """Draw the time of a batch, and in a lighter colour what a switch of λ before it adds; medians over networks."""
    ends = [0.0]
    for y, label in enumerate(labels):
        rows, color = times[times.label == label], style.method(label, labels)["color"]
        batch, switch = rows.milliseconds.median(), rows.switch.median()
        ax.barh(y, batch, height=0.55, color=color)
        ends.append(batch)
        if pd.notna(switch):
            ax.barh(y, max(switch, 0), left=batch, height=0.55, color=color, alpha=0.4)
            ends.append(batch + max(switch, 0))
            where = {"textcoords": "offset points", "va": "center", "fontsize": style.small()}
            ax.annotate(f"switch {switch:+.2f} ms", (ends[-1], y), (3, 0), **where)
    ax.set_xlim(0, 1.85 * max(ends) or 1)  # room for the label
