"""Figure 6: Figure 4 for slimmable networks, a column per width; PGD-ATS is the frontier."""

import pandas as pd

from reports.figures.spec import csv_table
from reports.load.results import View
from reports.plots import facets, tradeoff

TITLE = "Figure 6. Trade-off between SA and RA at three widths"
CLAIM = (
    "OATS achieves a trade-off very close to that of PGD-ATS at every width. At width 0.75 its most robust point is "
    "above that of PGD-ATS in both: by 0.67 in SA and 1.34 in RA. OATS with normal switchable BN is left out because "
    "it would be off range; Figure 9 has it (Sec. 4.3, CIFAR-10, ResNet-34)."
)
WIDTHS = {1.0: "width 1", 0.75: "width 0.75", 0.5: "width 0.5"}
KEEP = {"attack": ["pgd7"], "width": list(WIDTHS)}
LEFT_OUT = "OATS (normal BN)"


def grid(view: View) -> list[list[facets.Cell]]:
    return facets.split(facets.without(view, LEFT_OUT), "width", WIDTHS)


def draw(view: View):
    return tradeoff.draw(grid(view), view)


def caption(view: View) -> str:
    gone = (view.trials.label == LEFT_OUT).any()
    more = f"{LEFT_OUT} is in Figure 9." if gone else ""
    return tradeoff.caption(sum(grid(view), []), facets.without(view, LEFT_OUT), more)


def summary(view: View) -> list[dict]:
    return facets.summary(sum(grid(view), []))


def table(view: View) -> pd.DataFrame:
    return csv_table(facets.without(view, LEFT_OUT).points)


def curves(view: View) -> list[dict]:
    return facets.tables(sum(grid(view), []))
