"""Figure 9: the networks of Figure 6 by λ, a column per width, with OATS with normal switchable BN."""

from reports.figures.accuracy_figure import accuracy_figure
from reports.figures.fig6_widths import ALL_WIDTHS, NORMAL_BN, by_width

FIG9 = accuracy_figure(
    name="fig9",
    position=9,
    title="Figure 9. SA and RA by λ at three widths",
    claim="The results of Figure 6 in another form (App. B), and with them OATS with normal switchable BN, whose "
    "performance is incomparable with that of the others (Sec. 4.3, footnote 3).",
    keep=ALL_WIDTHS,
    axes="by_lambda",
    rows=by_width,
    off_range=(NORMAL_BN,),
    lead="The networks of Figure 6.",
    suite="slimming",
)
