"""Figure 7: Figure 4's SVHN networks under three other attacks, a column each."""

from reports.load.results import View
from reports.plots import facets, tradeoff

TITLE = "Figure 7. Trade-off between SA and RA under other attacks"
CLAIM = (
    "Under PGD-20, MI-FGSM (10 steps, decay 1) and FGSM, the SVHN networks of Figure 4 show the same: OAT with dual BN "
    "is adjusted over a wide range, close to or above the frontier of PGD-AT (Sec. 4.4)."
)
ATTACKS = {"pgd20": "PGD-20", "mifgsm": "MI-FGSM", "fgsm": "FGSM"}
KEEP = {"attack": list(ATTACKS), "width": [1.0]}


def grid(view: View) -> list[list[facets.Cell]]:
    return facets.split(view, "attack", ATTACKS)


def draw(view: View):
    return tradeoff.draw(grid(view), view)


def caption(view: View) -> str:
    return tradeoff.caption(sum(grid(view), []), view)


def summary(view: View) -> list[dict]:
    return facets.summary(sum(grid(view), []))


def curves(view: View) -> list[dict]:
    return facets.tables(sum(grid(view), []))
