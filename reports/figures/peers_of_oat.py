"""Peers of the paper's method on the axes of Figure 4: a column per peer and data set."""

from dataclasses import replace

from reports.load.results import View
from reports.plots import facets, tradeoff
from reports.plots.facets import Cell
from reports.statistics import differences

TITLE = "Peers. OAT with TRADES' loss, and dual BN with shared statistics"
CLAIM = (
    "The paper has no figure of these. It says that OAT is also compatible with the losses of TRADES (Sec. 3.1), and "
    "explains dual BN by the statistics of clean and adversarial features (Sec. 3.2); arXiv 2403.19150 finds that "
    "separate affine parameters matter more than separate statistics."
)
KEEP = {"attack": ["pgd7"], "width": [1.0]}
PEERS = {"OAT TRADES (dual BN)": "TRADES' loss", "OAT (dual-affine BN)": "Shared statistics"}
REFERENCE = "OAT (dual BN)"


def columns(view: View) -> list[Cell]:
    """As in Figure 4, each headed by its peer."""
    return [headed(cell) for cell in facets.of_panels(view)]


def headed(cell: Cell) -> Cell:
    peer = peer_of(cell)
    if peer is None:
        return cell
    below = f"{cell.heading}; {cell.below}".removesuffix("; ")
    return replace(cell, heading=PEERS.get(peer, peer), below=below)


def peer_of(cell: Cell) -> str | None:
    """The label of the network that the panel is about: one whose label begins as a peer's does."""
    labels = cell.panel.trials.label.unique()
    return next((label for peer in PEERS for label in labels if label.startswith(peer)), None)


def draw(view: View):
    return tradeoff.draw([columns(view)], view)


def caption(view: View) -> str:
    return tradeoff.caption(columns(view), view)


def summary(view: View) -> list[dict]:
    places = columns(view)
    return [*facets.summary(places), *(against_oat(cell) for cell in places if peer_of(cell))]


def curves(view: View) -> list[dict]:
    return facets.tables(columns(view))


def against_oat(cell: Cell) -> dict:
    """The peer against OAT with dual BN, over all λ."""
    peer, points = peer_of(cell), cell.panel.points
    lambdas = sorted(points.lam[points.label == peer].unique())
    rows = [differences.table(points, peer, REFERENCE, lambdas, "all")] if lambdas else []
    return {"heading": f"{cell.heading}, against {REFERENCE} at equal λ", "below": cell.below, "rows": rows}
