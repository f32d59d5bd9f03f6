"""Figure `trades`: OAT with TRADES' loss by λ, beside OAT with cross-entropy and PGD-AT; a column per data set."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure

TRADES = accuracy_figure(
    name="trades",
    position=17.5,
    title="TRADES. OAT with TRADES' loss by λ",
    claim="OAT is also compatible with other forms of the losses, such as those in TRADES and MMA training (Sec. 3.1). "
    "The paper has no figure of it.",
    keep=PGD7,
    axes="by_lambda",
    lead="The networks of the figure Peers with TRADES' loss.",
    suite="extra/peers",
)
