"""Figure 13: λ against SA and against RA for encodings of λ: the paper's five, and one-hot."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure, comparison_table, methods_against
from reports.plots.facets import Facet, all_curves

REFERENCE = "none"  # how the label of the network without an encoding begins


def against_none(facet: Facet) -> dict:
    table = all_curves([facet])
    labels = list(table.label.unique())
    none = next((label for label in labels if label.startswith(REFERENCE)), None)
    others = [label for label in labels if label != none] if none else []
    rows = methods_against(facet, others, none, table.lam, "all")
    return comparison_table(facet, ", against no encoding at equal λ", rows)


FIG13 = accuracy_figure(
    name="fig13",
    position=13,
    title="Figure 13. Encodings of λ",
    claim="Encoding λ by DCT columns or random orthogonal vectors is generally better in SA and RA than giving it as a "
    "scalar. Best SA on CIFAR-10: RO-128 93.68, RO-16 93.16, none 92.53 (App. E). One-hot codes are in no figure of "
    "the paper, which says that random orthogonal ones perform better (Sec. 3.1).",
    keep=PGD7,
    axes="side_by_side",
    compare=against_none,
    suite="ablations",
)
