"""Figure 8: the networks of Figure 4, drawn as λ against SA (top row) and λ against RA (bottom row)."""

from reports.figures import fig4_tradeoff as fig4
from reports.load.results import View
from reports.plots import by_lambda, facets

TITLE = "Figure 8. Standard and robust accuracy by λ"
CLAIM = (
    "The results of Figure 4 in another form (App. B). One OAT network with dual BN is adjusted smoothly by λ from its "
    "most robust state to its most accurate one; with normal BN, RA hardly moves for λ from 1 to 0.1 on SVHN "
    "(Sec. 4.2)."
)
KEEP = fig4.KEEP


def draw(view: View):
    return by_lambda.draw([facets.of_panels(view)], view)


def caption(view: View) -> str:
    return by_lambda.caption(facets.of_panels(view), view, "The networks of Figure 4.")


summary = fig4.summary
