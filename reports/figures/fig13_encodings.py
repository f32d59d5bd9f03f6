"""Figure 13: λ against SA and against RA for five encodings of λ."""

from reports.load.results import View
from reports.plots import by_lambda, facets
from reports.plots.facets import Cell
from reports.statistics import differences

TITLE = "Figure 13. Encodings of λ"
CLAIM = (
    "Encoding λ by DCT columns or random orthogonal vectors is generally better in SA and RA than giving it as a "
    "scalar. Best SA on CIFAR-10: RO-128 93.68, RO-16 93.16, none 92.53 (App. E)."
)
KEEP = {"attack": ["pgd7"], "width": [1.0]}
REFERENCE = "none"  # as the label of the network without an encoding begins


def draw(view: View):
    return by_lambda.draw_side_by_side(facets.of_panels(view), view)


def caption(view: View) -> str:
    return by_lambda.caption(facets.of_panels(view), view)


def summary(view: View) -> list[dict]:
    places = facets.of_panels(view)
    return [*facets.summary(places), *(against_none(cell) for cell in places)]


def against_none(cell: Cell) -> dict:
    """Each encoding against none, over all λ."""
    table = facets.all_curves([cell])
    labels = list(table.label.unique())
    none = next((label for label in labels if label.startswith(REFERENCE)), None)
    others = [label for label in labels if label != none] if none else []
    rows = [differences.table(cell.panel.points, label, none, table.lam, "all") for label in others]
    heading = f"{cell.heading}, against no encoding at equal λ"
    return {"heading": heading, "below": cell.below, "rows": differences.known(rows)}
