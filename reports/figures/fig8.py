"""Figure 8: the networks of Figure 4, drawn as λ against SA (top row) and λ against RA (bottom row)."""

import pandas as pd

from reports import captions, curves, references, style
from reports.figures import fig4
from reports.results import Panel, View

TITLE = "Figure 8. Standard and robust accuracy by λ"
CLAIM = (
    "The results of Figure 4 in another form (App. B). One OAT network with dual BN is adjusted smoothly by λ from its "
    "most robust state to its most accurate one; with normal BN, RA hardly moves for λ from 1 to 0.1 on SVHN "
    "(Sec. 4.2)."
)
KEEP = fig4.KEEP
ROWS = {"sa": "SA (%)", "ra": "RA (%)"}
DODGE = 0.12  # in steps of λ, so that the methods' bars stand beside each other


def draw(view: View):
    figure, axes = style.panels(columns=len(view.panels), rows=len(ROWS), sharex="col")
    for column, panel in zip(axes.T, view.panels, strict=True):
        style.title(column[0], panel.title, panel.subtitle)
        for ax, metric in zip(column, ROWS, strict=True):
            draw_panel(ax, panel, metric, view.scale)
        column[-1].set_xlabel("λ (evenly spaced)")
        style.note(column[-1], panel.missing_text, xy=(0.97, 0.03), ha="right")
    for ax, text in zip(axes[:, 0], ROWS.values(), strict=True):
        ax.set_ylabel(text)
    figure.align_ylabels(axes[:, 0])
    fig4.legend(figure, axes[0])
    return figure


def draw_panel(ax, panel: Panel, metric: str, scale: str) -> None:
    table = curves.curves(panel)
    if not len(panel.points):
        return style.empty(ax)
    position = {lam: float(step) for step, lam in enumerate(sorted(table.lam.unique()))}
    methods = list(table.label.unique())
    numbers = references.of_panel(panel, scale)
    marks = [number[metric] for number in references.points(numbers)]
    values = [*panel.points[metric], *marks]
    if metric == "sa":
        values += [number["sa"] for number in numbers if number["kind"] == "best_sa"]
    ax.set_ylim(style.limits(values, [*table[f"{metric}_low"].dropna(), *table[f"{metric}_high"].dropna()]))
    ax.set_xticks(list(position.values()), [f"{lam:g}" for lam in position])
    ax.set_xlim(-0.4, len(position) - 0.6)
    shift = {label: DODGE * (place - (len(methods) - 1) / 2) for place, label in enumerate(methods)}
    for label in methods:
        look = style.method(label, methods)
        curve, seeds = (part[part.label == label] for part in (table, panel.points))
        curve, seeds = (part.assign(x=part.lam.map(position) + shift[label]) for part in (curve, seeds))
        draw_curve(ax, curve.sort_values("lam"), seeds, metric, label, look)
    references.draw_by_lambda(ax, numbers, metric, position, shift)


def draw_curve(ax, curve: pd.DataFrame, seeds: pd.DataFrame, metric: str, label: str, look: dict) -> None:
    """curve: a method's rows of curves.curves with x, λ rising; seeds: its single points with x."""
    known, gone = curve.dropna(subset=[metric]), curve[curve[metric].isna()]
    color, z = look["color"], look["zorder"]
    if seeds.seed.nunique() > 1:
        ax.plot(seeds.x, seeds[metric], ls="", marker=look["marker"], ms=2, mew=0, color=color, alpha=0.35, zorder=2)
    bars = [known[metric] - known[f"{metric}_low"], known[f"{metric}_high"] - known[metric]]
    ax.errorbar(known.x, known[metric], yerr=bars, fmt="none", color=color, elinewidth=0.6, alpha=0.5, zorder=z)
    ax.plot(curve.x, curve[metric], marker=look["marker"], color=color, mec="white", mew=0.4, zorder=z, label=label)
    style.hollow(ax, known[known.seeds < known.planned], "x", metric, look)
    if len(gone):  # nothing has finished at this λ: a hollow marker on the axis, and dots bridge the gap
        ax.plot(known.x, known[metric], ls=":", lw=0.9, color=color, zorder=z, label="_bridge")
        floor = gone.assign(floor=ax.get_ylim()[0])
        style.hollow(ax, floor, "x", "floor", look, clip_on=False)


def caption(view: View) -> str:
    order = "The networks of Figure 4. λ is evenly spaced, not to scale; methods stand side by side at each λ; "
    order += "long bars are cut at the frame."
    floor = "A hollow marker on the axis: no network has finished at that λ." if captions.gaps(view) else ""
    cited = references.caption(view)
    parts = [order, captions.setting(view), captions.intervals(view), captions.gaps(view), floor, cited]
    return " ".join(part for part in parts if part)


summary = fig4.summary
