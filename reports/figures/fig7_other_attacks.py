"""Figure 7: Figure 4's SVHN networks under three other attacks, a column each."""

from functools import partial

from reports.figures.accuracy_figure import accuracy_figure
from reports.plots import facets

ATTACKS = {"pgd20": "PGD-20", "mifgsm": "MI-FGSM", "fgsm": "FGSM"}

FIG7 = accuracy_figure(
    name="fig7",
    position=7,
    title="Figure 7. Trade-off between SA and RA under other attacks",
    claim="Under PGD-20, MI-FGSM (10 steps, decay 1) and FGSM, the SVHN networks of Figure 4 show the same: OAT with "
    "dual BN is adjusted over a wide range, close to or above the frontier of PGD-AT (Sec. 4.4).",
    keep={"attack": list(ATTACKS), "width": [1.0]},
    axes="tradeoff",
    rows=partial(facets.by_value, column="attack", headings=ATTACKS),
    suite="attacks",
)
