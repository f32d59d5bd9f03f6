"""Figure `peers`: peers of the paper's method on the axes of Figure 4, a column per peer and data set."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure, comparison_table, methods_against, titled
from reports.load.panels import View
from reports.plots import facets
from reports.plots.facets import Facet

HEADINGS = {"OAT TRADES (dual BN)": "TRADES' loss", "OAT (dual-affine BN)": "Shared statistics"}
REFERENCE = "OAT (dual BN)"


def by_peer(view: View) -> list[list[Facet]]:
    """The facets of Figure 4, each under its peer's heading."""
    labels = [(facet, peer_label(facet)) for facet in facets.by_panel(view)]
    return [[titled(facet, HEADINGS.get(peer, peer)) if peer else facet for facet, peer in labels]]


def peer_label(facet: Facet) -> str | None:
    """Label of the panel's peer: it begins with a key of HEADINGS."""
    labels = facet.panel.trials.label.unique()
    return next((label for peer in HEADINGS for label in labels if label.startswith(peer)), None)


def against_oat(facet: Facet) -> dict | None:
    peer, points = peer_label(facet), facet.panel.points
    if not peer:
        return None
    lambdas = sorted(points.lam[points.label == peer].unique())
    rows = methods_against(facet, [peer], REFERENCE, lambdas, "all")
    return comparison_table(facet, f", against {REFERENCE} at equal λ", rows)


PEERS = accuracy_figure(
    name="peers",
    position=17,
    title="Peers. OAT with TRADES' loss, and dual BN with shared statistics",
    claim="The paper has no figure of these. It says that OAT is also compatible with the losses of TRADES (Sec. 3.1), "
    "and explains dual BN by the statistics of clean and adversarial features (Sec. 3.2); arXiv 2403.19150 finds that "
    "separate affine parameters matter more than separate statistics.",
    keep=PGD7,
    axes="tradeoff",
    rows=by_peer,
    compare=against_oat,
    suite="extra/peers",
)
