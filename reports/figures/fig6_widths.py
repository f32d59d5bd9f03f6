"""Figure 6: Figure 4 for slimmable networks, a column per width; PGD-ATS is the frontier."""

from functools import partial

from reports.figures.accuracy_figure import accuracy_figure
from reports.plots import facets

WIDTHS = {1.0: "width 1", 0.75: "width 0.75", 0.5: "width 0.5"}
ALL_WIDTHS = {"attack": ["pgd7"], "width": list(WIDTHS)}
NORMAL_BN = "OATS (normal BN)"  # far below the others: left out of Figure 6, off range in Figure 9
by_width = partial(facets.by_value, column="width", headings=WIDTHS)

FIG6 = accuracy_figure(
    name="fig6",
    position=6,
    title="Figure 6. Trade-off between SA and RA at three widths",
    claim="OATS achieves a trade-off very close to that of PGD-ATS at every width. At width 0.75 its most robust point "
    "is above that of PGD-ATS in both: by 0.67 in SA and 1.34 in RA. OATS with normal switchable BN is left out "
    "because it would be off range; Figure 9 has it (Sec. 4.3, CIFAR-10, ResNet-34).",
    keep=ALL_WIDTHS,
    axes="tradeoff",
    rows=by_width,
    omit=NORMAL_BN,
    omitted_in="Figure 9",
    suite="slimming",
)
