"""The numbers printed in the paper's text, drawn in for comparison at scale `paper` and nowhere else."""

from functools import cache
from pathlib import Path

import yaml
from matplotlib.patches import Rectangle

from reports import style
from reports.results import Panel, View

NUMBERS = Path(__file__).with_name("paper_numbers.yaml")
LABEL = "paper (text)"


@cache
def numbers() -> dict[str, list[dict]]:
    return yaml.safe_load(NUMBERS.read_text("utf-8"))


def of_panel(panel: Panel, scale: str) -> list[dict]:
    """The paper's numbers for a panel: only at the paper's scale, for its own data set, with nothing overridden."""
    return numbers().get(panel.dataset, []) if scale == "paper" and not panel.overrides else []


def points(found: list[dict]) -> list[dict]:
    return [number for number in found if number["kind"] == "point"]


def draw_tradeoff(ax, found: list[dict]) -> None:
    """On axes SA, RA: crosses for points, a shaded box for a band, dashes for a best SA. After the limits are set."""
    for number in found:
        color = style.method(number["label"])["color"]
        if number["kind"] == "point":
            ax.plot(number["sa"], number["ra"], ls="", marker="x", ms=5.5, mew=1.2, color=color, zorder=7, label=LABEL)
        elif number["kind"] == "band":
            left, (low, high) = ax.get_xlim()[0], number["ra"]
            box = Rectangle(
                (left, low), number["sa_below"] - left, high - low, color=color, alpha=0.35, lw=0.8, zorder=1
            )
            ax.add_patch(box).set_label(f"_{LABEL}")
        elif number["kind"] == "best_sa":
            ax.axvline(number["sa"], ls=(0, (4, 2)), lw=0.8, color=color, zorder=1, label=LABEL)


def draw_by_lambda(ax, found: list[dict], metric: str, position: dict[float, float], shift: dict[str, float]) -> None:
    """On axes λ, SA or RA. position: λ → x; shift: method → how far its points stand beside that x."""
    for number in found:
        color = style.method(number["label"])["color"]
        if number["kind"] == "point" and number["lam"] in position:
            x = position[number["lam"]] + shift.get(number["label"], 0.0)
            ax.plot(x, number[metric], ls="", marker="x", ms=5.5, mew=1.2, color=color, zorder=7, label=LABEL)
        elif number["kind"] == "band" and metric == "ra":
            xs = [x for lam, x in position.items() if number["lam"][0] <= lam <= number["lam"][1]]
            ax.fill_between([min(xs), max(xs)], *number["ra"], color=color, alpha=0.35, lw=0.8, zorder=1)
        elif number["kind"] == "best_sa" and metric == "sa":
            ax.axhline(number["sa"], ls=(0, (4, 2)), lw=0.8, color=color, zorder=1, label=LABEL)


def caption(view: View) -> str:
    """Says what crosses, box and dashes are, if any are drawn."""
    found = [number for panel in view.panels for number in of_panel(panel, view.scale)]
    shapes = {"point": "crosses", "band": "the shaded band", "best_sa": "dashes (best SA)"}
    drawn = [shape for kind, shape in shapes.items() if any(number["kind"] == kind for number in found)]
    if not drawn:
        return ""
    text = ", ".join(drawn)
    return f"{text[0].upper()}{text[1:]}: the numbers printed in the paper's text."
