"""Figure 5: OAT trained on S1 and on S2, at λ met and not met in training, beside PGD-AT for each λ."""

from bench.spec.lambda_sets import S1, S3
from reports.figures.accuracy_figure import accuracy_figure, comparison_table
from reports.plots.facets import Facet, all_curves
from reports.statistics import differences
from reports.statistics.curves import FRONTIER


def at_equal_lambda(facet: Facet) -> dict:
    """Compare each OAT with PGD-AT at the λ it met and at the others, and the two OAT with each other."""
    table, points = all_curves([facet]), facet.panel.points
    methods = [label for label in table.label.unique() if label != FRONTIER]
    rows = []
    for label in methods:
        curve = table[table.label == label].dropna(subset="sa")
        for where, part in (("met", curve[~curve.unseen]), ("unseen", curve[curve.unseen])):
            if len(part) and FRONTIER in set(table.label):
                rows.append(differences.table_row(points, label, FRONTIER, part.lam, where))
    pairs = {"S1": S1, "unseen (S3)": S3} if len(methods) == 2 else {}
    rows += [differences.table_row(points, *methods, lambdas, where) for where, lambdas in pairs.items()]
    return comparison_table(facet, ", differences at equal λ", rows)


FIG5 = accuracy_figure(
    name="fig5",
    position=5,
    title="Figure 5. Generalisation to unseen λ",
    claim="OAT trained on the sparse set S1 and on the denser S2 performs almost identically on SVHN, S1 slightly "
    "better in SA and S2 slightly better in RA, and both generalise to S3 = {0.15, 0.25, 0.35, 0.5, 0.7, 0.9}, which "
    "neither met: similar or superior to PGD-AT trained for each λ, for example at λ = 0.3 and 0.4 (Sec. 4.2).",
    axes="side_by_side",
    compare=at_equal_lambda,
    suite="sampling",
)
