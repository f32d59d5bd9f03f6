"""Figure `mma`: OAT with MMA's loss by λ, beside OAT with TRADES' and with cross-entropy; a column per data set."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure

MMA = accuracy_figure(
    name="mma",
    position=17.6,
    title="MMA. OAT with MMA's loss by λ",
    claim="OAT is also compatible with other forms of the losses, such as those in TRADES and MMA training (Sec. 3.1). "
    "The paper has no figure of it.",
    keep=PGD7,
    axes="by_lambda",
    lead="The networks of the figure Successors with other losses.",
    suite="extra/successors",
)
