"""Figure 5: OAT trained on S1 and on S2, at λ met and not met in training, beside PGD-AT for each λ."""

from functools import partial

from bench.spec.lambda_sets import S1, S3
from reports.figures.accuracy_figure import Comparison, accuracy_figure
from reports.plots.facets import Facet, all_curves
from reports.statistics import differences
from reports.statistics.curves import FRONTIER


def at_equal_lambda(facet: Facet) -> Comparison:
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
    return ", differences at equal λ", differences.drop_empty_columns(rows)


figure = partial(accuracy_figure, compare=at_equal_lambda)
