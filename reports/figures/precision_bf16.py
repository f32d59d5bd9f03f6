"""OAT trained in bf16 and in fp32, on the axes of Figure 4: a column per data set."""

from reports.load.results import View
from reports.plots import facets, tradeoff
from reports.plots.facets import Cell
from reports.statistics import differences

TITLE = "Precision. OAT trained in bf16 and in fp32"
CLAIM = (
    "The paper says nothing of precision; its authors' code trains in fp32. Here the network computes in bf16 where "
    "the hardware multiplies in it (images, losses, updates and evaluation stay in fp32): does that cost accuracy?"
)
KEEP = {"attack": ["pgd7"], "width": [1.0]}
LABEL, REFERENCE = "OAT (dual BN), bf16", "OAT (dual BN), fp32"


def draw(view: View):
    return tradeoff.draw([facets.of_panels(view)], view)


def caption(view: View) -> str:
    return tradeoff.caption(facets.of_panels(view), view)


def summary(view: View) -> list[dict]:
    places = facets.of_panels(view)
    return [*facets.summary(places), *(against_fp32(cell) for cell in places)]


def curves(view: View) -> list[dict]:
    return facets.tables(facets.of_panels(view))


def against_fp32(cell: Cell) -> dict:
    """The mean difference over all λ, and the largest at one."""
    points = cell.panel.points
    lambdas = sorted(points.lam[points.label == LABEL].unique())
    rows = [differences.table(points, LABEL, REFERENCE, lambdas, "all")] if lambdas else []
    return {"heading": f"{cell.heading}, bf16 against fp32 at equal λ", "below": cell.below, "rows": rows}
