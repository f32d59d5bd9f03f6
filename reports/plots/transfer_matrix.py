"""Draw RA at λ (rows) against examples crafted at λ′ (columns), and against an attacker's other choices beside it."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.patches import Rectangle

from reports.load.panels import View
from reports.plots import style
from reports.plots.facets import shared_parts
from reports.statistics.transfer_matrix import by_attack, matrix, methods

# columns beside the matrix
EXTRA = {"worst": "any\nλ′", "same_tries": "λ,\n{n} ×", "other_branch": "other\nBN", "joint": "all λ,\n1 ×"}
GAP = 0.35  # between the matrix and these columns, in squares


def draw(view: View):
    panels = by_attack(view.panels)
    columns = max(len(methods(panel)) or 1 for panel, _ in panels)
    figure, axes = style.subplots(columns, len(panels), height=2.9 * len(panels), least=2.4)
    shared, belows = shared_parts([f"{panel.title}; {subtitle}" for panel, subtitle in panels])
    figure.suptitle("\n".join(textwrap.wrap(shared, style.room(figure, 1))), fontsize=style.small())
    for row, (panel, subtitle), below in zip(axes, panels, belows, strict=True):
        labels = methods(panel)
        for ax in row[max(len(labels), 1) :]:
            ax.set_axis_off()
        if not labels:
            style.title(row[0], panel.title, subtitle)
            style.empty(row[0])
            continue
        matrices = [matrix(panel, label) for label in labels]
        values = np.concatenate([part.ravel() for _, parts in matrices for part in parts.values()])
        for ax, label, (grid, parts) in zip(row, labels, matrices, strict=False):
            style.title(ax, label, "; ".join(part for part in (below, panel.missing_text) if part), room=48)
            draw_matrix(ax, grid, parts, (np.nanmin(values), np.nanmax(values)))
    return figure


def draw_matrix(ax, grid: list[float], parts: dict[str, np.ndarray], span: tuple[float, float]) -> None:
    """Draw a row per λ of the network and a column per choice of the attacker; λ′ = λ, as in the paper, is outlined."""
    count, inks = len(grid), matplotlib.colormaps["cividis"]
    columns = [(j, f"{lam:g}", parts["crafted"][:, j]) for j, lam in enumerate(grid)]
    extra = {name: text for name, text in EXTRA.items() if not np.isnan(parts[name]).all()}
    columns += [(count + GAP + k, text, parts[name]) for k, (name, text) in enumerate(extra.items())]
    low, high = span[0], max(span[1], span[0] + 1)
    for x, _, values in columns:
        for y, value in enumerate(values):
            if np.isnan(value):
                continue
            shade = (value - low) / (high - low)
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=inks(shade), edgecolor="white", lw=0.6))
            ink = "black" if shade > 0.55 else "white"
            ax.text(x, y, f"{value:.1f}", ha="center", va="center_baseline", fontsize=style.small(), color=ink)
    for j in range(count):
        ax.add_patch(Rectangle((j - 0.5, j - 0.5), 1, 1, fill=False, edgecolor="#D55E00", lw=1.4, zorder=5))
    ax.set(xlim=(-0.6, columns[-1][0] + 0.6), ylim=(count - 0.4, -0.6), ylabel="asked at λ")
    ax.set_xlabel("crafted at λ′", x=(count / 2) / (columns[-1][0] + 1.2))
    ax.set_yticks(range(count), [f"{lam:g}" for lam in grid])
    ax.set_xticks([x for x, *_ in columns], [text.format(n=count) for _, text, _ in columns])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
