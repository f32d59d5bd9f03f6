"""Figure 9: the networks of Figure 6 by λ, a column per width, and OATS with normal switchable BN."""

from reports.figures import fig6_widths as fig6
from reports.load.results import View
from reports.plots import by_lambda, facets

TITLE = "Figure 9. SA and RA by λ at three widths"
CLAIM = (
    "The results of Figure 6 in another form (App. B), and with them OATS with normal switchable BN, whose performance "
    "is incomparable with that of the others (Sec. 4.3, footnote 3)."
)
KEEP = fig6.KEEP
GUEST = fig6.LEFT_OUT


def grid(view: View) -> list[list[facets.Cell]]:
    return facets.split(view, "width", fig6.WIDTHS)


def draw(view: View):
    return by_lambda.draw(grid(view), view, guests=(GUEST,))


def caption(view: View) -> str:
    return by_lambda.caption(sum(grid(view), []), view, "The networks of Figure 6.", guests=(GUEST,))


def summary(view: View) -> list[dict]:
    return facets.summary(sum(grid(view), []))


def curves(view: View) -> list[dict]:
    return facets.tables(sum(grid(view), []))
