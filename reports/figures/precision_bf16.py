"""Figure `precision`: OAT trained in bf16 and in fp32 on the axes of Figure 4, a column per data set."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure, comparison_table, methods_against
from reports.plots.facets import Facet

LABEL, REFERENCE = "OAT (dual BN), bf16", "OAT (dual BN), fp32"


def against_fp32(facet: Facet) -> dict:
    points = facet.panel.points
    lambdas = sorted(points.lam[points.label == LABEL].unique())
    rows = methods_against(facet, [LABEL], REFERENCE, lambdas, "all")
    return comparison_table(facet, ", bf16 against fp32 at equal λ", rows)


PRECISION = accuracy_figure(
    name="precision",
    position=18,
    title="Precision. OAT trained in bf16 and in fp32",
    claim="The paper says nothing of precision; its authors' code trains in fp32. Here the network computes in bf16 on "
    "hardware that multiplies in it (images, losses, updates and evaluation stay in fp32): does that cost accuracy?",
    keep=PGD7,
    axes="tradeoff",
    compare=against_fp32,
    suite="extra/precision",
)
