"""Draw the signs of gradient masking: a line per sign, a point per network and λ."""

import numpy as np

from reports.load.panels import Panel, View
from reports.plots import style
from reports.statistics.gradient_masking import MEANING, SIGNS, signs


def draw(view: View):
    figure, axes = style.subplots(1, len(view.panels), height=0.7 + 2.4 * len(view.panels))
    figure.set_figwidth(style.TEXT_WIDTH)
    for (ax,), panel in zip(axes, view.panels, strict=True):
        draw_panel(ax, panel)
    style.legend(figure, axes.ravel(), {})
    return figure


def draw_panel(ax, panel: Panel) -> None:
    """Draw one data set; a red bar marks the least share that fails."""
    style.title(ax, panel.title, panel.subtitle)
    every_sign = signs(panel.probes)
    if not every_sign:
        style.empty(ax)
        return style.note(ax, panel.missing_text)
    labels = list(dict.fromkeys(sign.row["label"] for sign in every_sign))
    for y, name in enumerate(SIGNS):
        named = [sign for sign in every_sign if sign.name == name]
        for k, label in enumerate(labels):
            shares = [100 * sign.count / sign.n for sign in named if sign.row["label"] == label]
            look = {key: value for key, value in style.method(label, labels).items() if key != "zorder"}
            height = y + 0.22 * (k - (len(labels) - 1) / 2)
            heights = height + 0.07 * np.linspace(-1, 1, len(shares)) if len(shares) > 1 else [height] * len(shares)
            ax.plot(shares, heights, ls="", ms=3, mec="white", mew=0.3, alpha=0.85, label=label, **look)
        limits = [100 * sign.limit / sign.n for sign in named]
        if limits:
            ax.plot([min(limits)] * 2, [y - 0.4, y + 0.4], color="#B2182B", lw=1.6, label="fails from here on")
    ax.set_yticks(range(len(SIGNS)), [f"{name}\n{MEANING[name]}" for name in SIGNS])
    ax.set(ylim=(len(SIGNS) - 0.45, -0.55), xlabel="% of test images")
    ax.set_xlim(-1.5, max(30.0, *(104 * sign.count / sign.n for sign in every_sign)))
    style.note(ax, panel.missing_text, xy=(1, 0.02), ha="right")
