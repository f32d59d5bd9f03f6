"""Draw the signs of gradient masking as a table: a row per sign, a column per method, its largest share of images."""

from matplotlib.patches import Rectangle

from reports.load.panels import Panel, View
from reports.plots import style
from reports.statistics.gradient_masking import MEANING, SIGNS, signs

FAILS = "#F4A582"


def draw(view: View):
    figure, axes = style.subplots(1, len(view.panels), height=0.75 + 1.75 * len(view.panels))
    style.set_text_width(figure)
    for (ax,), panel in zip(axes, view.panels, strict=True):
        draw_panel(ax, panel)
    return figure


def draw_panel(ax, panel: Panel) -> None:
    """Draw one data set. A cell is coloured where a network fails; the last column is the least share that fails."""
    style.title(ax, panel.title, panel.subtitle, "left", room=60)
    every_sign = signs(panel.probes)
    if not every_sign:
        return style.nothing_drawn([ax], panel.missing_text)
    labels = list(dict.fromkeys(sign.row["label"] for sign in every_sign))
    for y, name in enumerate(SIGNS):
        named = [sign for sign in every_sign if sign.name == name]
        for x, label in enumerate(labels):
            write_cell(ax, x, y, [sign for sign in named if sign.row["label"] == label])
        limits = [100 * sign.limit / sign.n for sign in named]
        limit = f"{min(limits):.0f} %" if limits else "–"
        ax.text(len(labels), y, limit, ha="center", va="center_baseline", fontsize=style.small(), color="#444444")
    ax.set_yticks(range(len(SIGNS)), [f"{name}: {MEANING[name]}" for name in SIGNS], fontsize=style.small())
    for x, heading in enumerate([*labels, "fails from"]):
        ax.text(x, -1, heading.replace(" (", "\n("), ha="center", va="center", fontsize=style.small())
    ax.set(xlim=(-0.5, len(labels) + 0.5), ylim=(len(SIGNS) - 0.5, -1.5), xticks=[])
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for y in range(len(SIGNS)):
        ax.axhline(y - 0.5, color="#e6e6e6", lw=0.5)
    ax.spines[["left", "bottom"]].set_visible(False)
    style.note(ax, panel.missing_text, xy=(1, -0.08), ha="right")


def write_cell(ax, x: float, y: float, method_signs: list) -> None:
    """Write the largest share of a sign over a method's networks and λ, and how many networks fail it."""
    if not method_signs:
        ax.text(x, y, "–", ha="center", va="center_baseline", fontsize=style.small())
        return
    largest = max(100 * sign.count / sign.n for sign in method_signs)
    failed = len({sign.row["key"] for sign in method_signs if sign.fails})
    if failed:
        ax.add_patch(Rectangle((x - 0.46, y - 0.4), 0.92, 0.8, facecolor=FAILS, edgecolor="none"))
    text = f"{largest:.1f} %" if largest else "0"
    text += f", {failed} fail" if failed else ""
    weight = "bold" if failed else "normal"
    ax.text(x, y, text, ha="center", va="center_baseline", fontsize=style.small(), weight=weight)
