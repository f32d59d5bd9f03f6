"""The numbers printed in the paper's text, drawn in for comparison at scale `paper` and nowhere else."""

from functools import cache
from pathlib import Path

import yaml
from matplotlib.patches import Rectangle

from reports.load.results import View
from reports.plots import style
from reports.plots.facets import Cell
from reports.statistics import curves

NUMBERS = Path(__file__).with_name("paper_numbers.yaml")
LABEL = "paper (text)"
CROSS = {"ls": "", "marker": "x", "ms": 5.5, "mew": 1.2, "zorder": 7, "label": LABEL}
DASHES = {"ls": (0, (4, 2)), "lw": 0.8, "zorder": 1, "label": LABEL}


@cache
def numbers() -> list[dict]:
    return yaml.safe_load(NUMBERS.read_text("utf-8"))


def of_cell(cell: Cell, view: View) -> list[dict]:
    """The paper's numbers for a column: only at the paper's scale, for its own data set, with nothing overridden."""
    panel = cell.panel
    if view.scale != "paper" or panel.overrides:
        return []
    here = {"dataset": panel.dataset, "width": cell.width, "experiment": panel.experiment}
    own = (n for n in numbers() if view.figure in n["figures"])
    return [resolved(n, cell) for n in own if all(n.get(name, value) == value for name, value in here.items())]


def resolved(number: dict, cell: Cell) -> dict:
    """A margin becomes a point: the measured most robust point that it lies beyond, and so much more."""
    if number["kind"] != "margin":
        return number
    table = curves.curves(cell.panel)
    own = table[table.label == number["beyond"]].dropna(subset="ra")
    if not len(own):
        return number | {"kind": "none"}
    best = own.loc[own.ra.idxmax()]
    return number | {"kind": "point", "sa": best.sa + number["sa"], "ra": best.ra + number["ra"], "lam": best.lam}


def points(found: list[dict]) -> list[dict]:
    return [number for number in found if number["kind"] == "point"]


def values(found: list[dict], metric: str) -> list[float]:
    """What an axis of SA or RA has to have room for."""
    marks = [number[metric] for number in points(found)]
    return marks + [number["sa"] for number in found if number["kind"] == "best_sa" and metric == "sa"]


def draw_tradeoff(ax, found: list[dict]) -> None:
    """On axes SA, RA: crosses for points, a shaded box for a band, dashes for a best SA. After the limits are set."""
    for number in found:
        color = style.method(number["label"])["color"]
        if number["kind"] == "point":
            ax.plot(number["sa"], number["ra"], color=color, **CROSS)
        elif number["kind"] == "band":
            left, (low, high) = ax.get_xlim()[0], number["ra"]
            box = Rectangle(
                (left, low), number["sa_below"] - left, high - low, color=color, alpha=0.35, lw=0.8, zorder=1
            )
            ax.add_patch(box).set_label(f"_{LABEL}")
        elif number["kind"] == "best_sa":
            ax.axvline(number["sa"], color=color, **DASHES)


def draw_by_lambda(ax, found: list[dict], metric: str, position: dict[float, float], shift: dict[str, float]) -> None:
    """On axes λ, SA or RA. position: λ → x; shift: method → how far its points stand beside that x."""
    for number in found:
        color = style.method(number["label"])["color"]
        if number["kind"] == "point" and number["lam"] in position:
            x = position[number["lam"]] + shift.get(number["label"], 0.0)
            ax.plot(x, number[metric], color=color, **CROSS)
        elif number["kind"] == "band" and metric == "ra":
            xs = [x for lam, x in position.items() if number["lam"][0] <= lam <= number["lam"][1]]
            if xs:
                ax.fill_between([min(xs), max(xs)], *number["ra"], color=color, alpha=0.35, lw=0.8, zorder=1)
        elif number["kind"] == "best_sa" and metric == "sa":
            ax.axhline(number["sa"], color=color, **DASHES)


def caption(cells: list[Cell], view: View) -> str:
    """Says what crosses, box and dashes are, if any are drawn."""
    found = [number for cell in cells for number in of_cell(cell, view)]
    shapes = {"point": "crosses", "band": "the shaded band", "best_sa": "dashes (best SA)"}
    own = [number for number in found if "beyond" not in number]
    text = ", ".join(shape for kind, shape in shapes.items() if any(number["kind"] == kind for number in own))
    text = f"{text[0].upper()}{text[1:]}: the numbers printed in the paper's text." if text else ""
    beyond = [number for number in points(found) if "beyond" in number]
    margins = [n for n in numbers() if n["kind"] == "margin" and view.figure in n["figures"]] if beyond else []
    for number in margins:
        text += (
            f" Cross: {number['beyond']}'s most robust point as measured here, and beyond it what the paper prints for "
            f"{number['label']}, {number['sa']:+g} pp of SA and {number['ra']:+g} pp of RA."
        )
    return text.strip()
