"""App. C: λ from a continuous range, and normal BN trained without λ = 0; a column each, SA above RA."""

from dataclasses import replace

from reports.load.results import View
from reports.plots import by_lambda, facets
from reports.plots.facets import Cell
from reports.statistics import differences

TITLE = "App. C. Continuous λ, and normal BN without λ = 0"
CLAIM = (
    "Sampling λ uniformly from [0, 1] gives results within ±0.2 of S1 in SA and RA on SVHN and needs 10 % more "
    "epochs. OAT with normal BN trained without λ = 0, on S4, is within ±0.5 of PGD-AT at λ > 0 on CIFAR-10, but its "
    "best SA is 91.5, against 93.1 with dual BN (App. C)."
)
KEEP = {"attack": ["pgd7"], "width": [1.0]}
EXPERIMENTS = {  # heading, and the method that the paper holds the others against
    "continuous": ("λ from a continuous range", "OAT on S1"),
    "without_zero": ("trained without λ = 0", "PGD-AT"),
}


def places(view: View) -> list[Cell]:
    """The two experiments in the paper's order, whatever data sets they stand on."""
    found = []
    for cell in facets.of_panels(view):
        heading, _ = EXPERIMENTS.get(cell.panel.experiment, (cell.panel.experiment, None))
        found.append(replace(cell, heading=heading, below=f"{cell.heading}; {cell.below}".removesuffix("; ")))
    order = list(EXPERIMENTS)
    return sorted(found, key=lambda c: order.index(c.panel.experiment) if c.panel.experiment in order else len(order))


def draw(view: View):
    return by_lambda.draw([places(view)], view)


def caption(view: View) -> str:
    return by_lambda.caption(places(view), view)


def summary(view: View) -> list[dict]:
    found = places(view)
    return [*facets.summary(found), *(at_equal_lambda(cell) for cell in found)]


def at_equal_lambda(cell: Cell) -> dict:
    """Each method against the one that the paper holds it against, at λ > 0 where λ = 0 is what differs."""
    _, other = EXPERIMENTS.get(cell.panel.experiment, ("", None))
    table = facets.all_curves([cell])
    labels = list(table.label.unique())
    lambdas, where = table.lam.unique(), "all"
    if cell.panel.experiment == "without_zero":
        lambdas, where = lambdas[lambdas > 0], "above 0"
    others = [label for label in labels if label != other] if other in labels else []
    rows = [differences.table(cell.panel.points, label, other, lambdas, where) for label in others]
    return {"heading": f"{cell.heading}: differences at equal λ", "below": cell.below, "rows": differences.known(rows)}


def curves(view: View) -> list[dict]:
    return facets.tables(places(view))
