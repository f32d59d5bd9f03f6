"""Figure 5: OAT trained on S1 and on S2 at λ that it met in training and at others, beside PGD-AT for each λ."""

from reports.load import trained_lambdas
from reports.load.results import View
from reports.plots import by_lambda, facets
from reports.plots.facets import Cell
from reports.statistics import differences

TITLE = "Figure 5. Generalisation to unseen λ"
CLAIM = (
    "OAT trained on the sparse set S1 and on the denser S2 performs almost identically on SVHN, S1 slightly better in "
    "SA and S2 slightly better in RA, and both generalise to S3 = {0.15, 0.25, 0.35, 0.5, 0.7, 0.9}, which neither "
    "met: similar or superior to PGD-AT trained for each λ, for example at λ = 0.3 and 0.4 (Sec. 4.2)."
)
KEEP = {"attack": ["pgd7"], "width": [1.0]}
REFERENCE = "PGD-AT"


def draw(view: View):
    return by_lambda.draw_side_by_side(facets.of_panels(view), view)


def caption(view: View) -> str:
    return by_lambda.caption(facets.of_panels(view), view)


def summary(view: View) -> list[dict]:
    places = facets.of_panels(view)
    return [*facets.summary(places), *(at_equal_lambda(cell) for cell in places)]


def at_equal_lambda(cell: Cell) -> dict:
    """Each OAT against PGD-AT, at the λ that it met and at those it did not; and the two OAT against each other."""
    table, points = facets.all_curves([cell]), cell.panel.points
    methods = [label for label in table.label.unique() if label != REFERENCE]
    rows = []
    for label in methods:
        own = table[table.label == label].dropna(subset="sa")
        for where, part in (("met", own[~own.unseen]), ("unseen", own[own.unseen])):
            if len(part) and REFERENCE in set(table.label):
                rows.append(differences.table(points, label, REFERENCE, part.lam, where))
    if len(methods) == 2:
        grid = {"S1": trained_lambdas.SETS["S1"], "unseen (S3)": trained_lambdas.SETS["S3"]}
        rows += [differences.table(points, *methods, own, where) for where, own in grid.items()]
    return {"heading": f"{cell.heading}, differences at equal λ", "below": cell.below, "rows": differences.known(rows)}
