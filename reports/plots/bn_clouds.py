"""Draw running mean against running variance of a BN layer, a point per channel, a colour per λ (Fig. 2)."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from reports.load.panels import Panel, View
from reports.plots import style
from reports.statistics.bn_clouds import fullest_seeds, networks


def colors(lambdas: list[float]) -> dict[float, tuple]:
    """λ → colour: black for 0 as in the paper, the others from dark blue to dark yellow, ordered by lightness too."""
    others = [lam for lam in lambdas if lam > 0]
    inks = matplotlib.colormaps["plasma"](np.linspace(0.12, 0.86, len(others)))
    return {0.0: (0.0, 0.0, 0.0, 1.0)} | {lam: tuple(ink) for lam, ink in zip(others, inks, strict=True)}


def draw(view: View):
    figure, axes = style.subplots(len(view.panels), height=3.5)
    for ax, panel in zip(axes[0], view.panels, strict=True):
        draw_panel(ax, panel)
    return figure


def draw_panel(ax, panel: Panel) -> None:
    """Draw the clouds of one seed with their medians, and densities of mean and variance in the margins."""
    table, inks = networks(panel), colors(sorted(panel.trials.lam.dropna().unique()))
    if not len(table):
        style.title(ax, panel.title, panel.subtitle)
        return style.empty(ax)
    drawn = table[table.seed == fullest_seeds(table)[0]]
    above, beside = ax.inset_axes([0, 1.02, 1, 0.15], sharex=ax), ax.inset_axes([1.02, 0, 0.15, 1], sharey=ax)
    above.axis("off")
    beside.axis("off")
    style.title(above, panel.title, panel.subtitle)
    draw_channels(ax, drawn, inks)
    values = {name: np.concatenate(drawn[name].tolist()) for name in ("mean", "var")}
    for row in drawn.itertuples():
        look = {"color": inks[row.lam], "lw": 1.5 if row.lam == 0 else 0.9, "zorder": 4 if row.lam == 0 else 3}
        above.plot(*density(row.mean, values["mean"]), **look)
        beside.plot(*density(row.var, values["var"])[::-1], **look)
        centre = {"ms": 5.5, "color": inks[row.lam], "mec": "white", "mew": 0.9, "zorder": 5}
        ax.plot(np.median(row.mean), np.median(row.var), "o", **centre, label="_median")
        style.links(ax, [np.median(row.mean)], [np.median(row.var)], [row.key])
    ax.set(xlabel="running mean", ylabel="running variance")
    texts = {lam: f"{lam:g}" if lam in set(drawn.lam) else f"{lam:g} (missing)" for lam in inks}
    handles = [Line2D([], [], ls="", marker="o", ms=4, color=inks[lam], label=text) for lam, text in texts.items()]
    ax.legend(handles=handles, title="λ", title_fontsize=6.5, loc="upper left", bbox_to_anchor=(1.17, 1), borderpad=0)
    style.note(ax, panel.missing_text)


def draw_channels(ax, drawn: pd.DataFrame, inks: dict) -> None:
    """Draw the channels of all clouds in shuffled order, so that no cloud covers the others."""
    lambdas = np.repeat(drawn.lam, drawn["mean"].map(len)).to_numpy()
    order = np.random.default_rng(0).permutation(len(lambdas))
    xs, ys = (np.concatenate(drawn[name].tolist())[order] for name in ("mean", "var"))
    size = 7 if len(lambdas) < 1500 else 3.5
    ax.scatter(xs, ys, c=[inks[lam] for lam in lambdas[order]], s=size, lw=0, alpha=0.6, label="_channels")


def density(values, everything) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian kernel density: positions (200,) over the range of `everything`, and heights; 0 if all are equal."""
    from scipy.stats import gaussian_kde  # takes as long to import as another figure to draw

    grid = np.linspace(everything.min(), everything.max(), 200)
    return grid, gaussian_kde(values)(grid) if np.ptp(values) > 0 else np.zeros(200)
