"""Figure 4: SA against RA, a column per data set, a curve per method from the largest λ to the smallest."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure

FIG4 = accuracy_figure(
    name="fig4",
    position=4,
    title="Figure 4. Trade-off between standard and robust accuracy",
    claim="One OAT network with dual BN covers a wide range of trade-offs by its input λ alone, close to or above the "
    "frontier of PGD-AT networks trained for one λ each, on all three data sets. On SVHN it goes from SA 94.43 / "
    "RA 62.16 to SA 97.07 / RA 37.32. With normal BN it collapses: on SVHN, RA stays within 61.81–62.62 with SA below "
    "94 for λ from 1 to 0.1 (Sec. 4.2).",
    keep=PGD7,
    axes="tradeoff",
)
