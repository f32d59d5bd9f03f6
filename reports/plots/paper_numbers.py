"""Draw the numbers printed in the paper's text for comparison, at scale `paper` only."""

from pathlib import Path

import yaml
from matplotlib.patches import Rectangle

from reports.load.panels import View
from reports.plots import style
from reports.plots.facets import Facet
from reports.statistics.curves import curves

NUMBERS = yaml.safe_load(Path(__file__).with_name("paper_numbers.yaml").read_text("utf-8"))
LABEL = "paper (text)"
CROSS = {"ls": "", "marker": "x", "ms": 5.5, "mew": 1.2, "zorder": 7, "label": LABEL}
BAND = {"alpha": 0.35, "lw": 0.8, "zorder": 1}
DASHES = {"ls": (0, (4, 2)), "lw": 0.8, "zorder": 1, "label": LABEL}


def numbers_for(facet: Facet, view: View) -> list[dict]:
    """The paper's numbers for a facet: at the paper's scale, on its own data set, with nothing overridden."""
    panel = facet.panel
    if view.scale != "paper" or panel.overrides:
        return []
    where = {"dataset": panel.dataset, "width": facet.width, "experiment": panel.experiment}
    of_figure = (number for number in NUMBERS if view.figure in number["figures"])
    fitting = (n for n in of_figure if all(n.get(name, value) == value for name, value in where.items()))
    return [resolve_margin(number, facet) for number in fitting]


def resolve_margin(number: dict, facet: Facet) -> dict:
    """Turn a margin into a point: the frontier's most robust point as measured, plus the margin."""
    if number["kind"] != "margin":
        return number
    table = curves(facet.panel)
    frontier = table[table.label == number["beyond"]].dropna(subset="ra")
    if not len(frontier):
        return number | {"kind": "none"}
    best = frontier.loc[frontier.ra.idxmax()]
    return number | {"kind": "point", "sa": best.sa + number["sa"], "ra": best.ra + number["ra"], "lam": best.lam}


def points(numbers: list[dict]) -> list[dict]:
    return [number for number in numbers if number["kind"] == "point"]


def values(numbers: list[dict], metric: str) -> list[float]:
    """Values that an axis of SA or RA must have room for."""
    marks = [number[metric] for number in points(numbers)]
    return marks + [number["sa"] for number in numbers if number["kind"] == "best_sa" and metric == "sa"]


def draw_tradeoff(ax, numbers: list[dict]) -> None:
    """Draw on axes SA, RA whose limits are set: crosses for points, a box for a band, dashes for a best SA."""
    for number in numbers:
        color = style.method(number["label"])["color"]
        if number["kind"] == "point":
            ax.plot(number["sa"], number["ra"], color=color, **CROSS)
        elif number["kind"] == "band":
            left, (low, high) = ax.get_xlim()[0], number["ra"]
            box = Rectangle((left, low), number["sa_below"] - left, high - low, color=color, **BAND)
            ax.add_patch(box).set_label(f"_{LABEL}")
        elif number["kind"] == "best_sa":
            ax.axvline(number["sa"], color=color, **DASHES)


def draw_by_lambda(ax, numbers: list[dict], metric: str, position: dict[float, float], shift: dict[str, float]) -> None:
    """Draw on axes λ, SA or RA. position: λ → x; shift: method → offset of its points from that x."""
    for number in numbers:
        color = style.method(number["label"])["color"]
        if number["kind"] == "point" and number["lam"] in position:
            x = position[number["lam"]] + shift.get(number["label"], 0.0)
            ax.plot(x, number[metric], color=color, **CROSS)
        elif number["kind"] == "band" and metric == "ra":
            xs = [x for lam, x in position.items() if number["lam"][0] <= lam <= number["lam"][1]]
            if xs:
                ax.fill_between([min(xs), max(xs)], *number["ra"], color=color, **BAND)
        elif number["kind"] == "best_sa" and metric == "sa":
            ax.axhline(number["sa"], color=color, **DASHES)


def caption(facets: list[Facet], view: View) -> str:
    """Explain crosses, box and dashes, if any are drawn."""
    numbers = [number for facet in facets for number in numbers_for(facet, view)]
    shapes = {"point": "crosses", "band": "the shaded band", "best_sa": "dashes (best SA)"}
    printed = [number for number in numbers if "beyond" not in number]
    text = ", ".join(shape for kind, shape in shapes.items() if any(number["kind"] == kind for number in printed))
    text = f"{text[0].upper()}{text[1:]}: the numbers printed in the paper's text." if text else ""
    beyond = [number for number in points(numbers) if "beyond" in number]
    margins = [n for n in NUMBERS if n["kind"] == "margin" and view.figure in n["figures"]] if beyond else []
    for number in margins:
        text += (
            f" Cross: {number['beyond']}'s most robust point as measured here, plus the paper's margin of "
            f"{number['label']}, {number['sa']:+g} pp of SA and {number['ra']:+g} pp of RA."
        )
    return text.strip()
