"""Figures `successors` and `solar`: other losses and FLOAT on the axes of Figure 4, SOLAR on those of Figure 6."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure, comparison_table, methods_against, titled
from reports.figures.fig6_widths import ALL_WIDTHS, by_width
from reports.load.panels import View
from reports.plots import facets
from reports.plots.facets import Facet

HEADINGS = {"OAT MMA (dual BN)": "Other losses", "FLOAT (dual BN)": "FLOAT"}  # label of a panel's successor → heading
REFERENCES = {
    "OAT MMA (dual BN)": "OAT (dual BN)",
    "OAT TRADES (dual BN)": "OAT (dual BN)",
    "FLOAT (dual BN)": "OAT (dual BN)",
    "OATS SOL (dual BN)": "OATS (dual BN)",
}


def by_successor(view: View) -> list[list[Facet]]:
    """The facets of Figure 4, each under its successor's heading."""
    columns = []
    for facet in facets.by_panel(view):
        headings = [HEADINGS[label] for label in facet.panel.trials.label.unique() if label in HEADINGS]
        columns.append(titled(facet, headings[0]) if headings else facet)
    return [columns]


def against_oat(facet: Facet) -> dict | None:
    """Differences of the facet's successors from the OAT or OATS network beside them."""
    points, rows = facet.panel.points, []
    for label in points.label.unique():
        if label in REFERENCES:
            lambdas = sorted(points.lam[points.label == label].unique())
            rows += methods_against(facet, [label], REFERENCES[label], lambdas, "all")
    heading = f", against {rows[0]['against']} at equal λ" if rows else ""
    return comparison_table(facet, heading, rows) if rows else None


SUCCESSORS = accuracy_figure(
    name="successors",
    position=17.7,
    title="Successors. Other losses in OAT, and FLOAT",
    claim="The paper has no figure of these. It calls OAT compatible with the losses of TRADES and MMA training (Sec. "
    "3.1). FLOAT (WACV 2023) reports up to 6 % more SA and up to 10 % more RA than networks with FiLM.",
    keep=PGD7,
    axes="tradeoff",
    rows=by_successor,
    compare=against_oat,
    suite="extra/successors",
)

SOLAR = accuracy_figure(
    name="solar",
    position=17.8,
    title="SOLAR. OATS with a classifier per width",
    claim="The paper has no figure of it. SOLAR (WACV 2026) reports up to 4.71 % more accuracy and up to 7.71 % more "
    "robustness than OATS on CIFAR-10.",
    keep=ALL_WIDTHS,
    axes="tradeoff",
    rows=by_width,
    compare=against_oat,
    suite="extra/successors",
)
