"""Figure 8: the networks of Figure 4, λ against SA (top row) and against RA (bottom row)."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure

FIG8 = accuracy_figure(
    name="fig8",
    position=8,
    title="Figure 8. Standard and robust accuracy by λ",
    claim="The results of Figure 4 in another form (App. B). One OAT network with dual BN is adjusted smoothly by λ "
    "from its most robust state to its most accurate one; with normal BN, RA hardly moves for λ from 1 to 0.1 on SVHN "
    "(Sec. 4.2).",
    keep=PGD7,
    axes="by_lambda",
    lead="The networks of Figure 4.",
)
