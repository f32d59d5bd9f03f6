"""App. C: λ from a continuous range, and normal BN trained without λ = 0; a column each, SA above RA."""

from reports.figures.accuracy_figure import PGD7, accuracy_figure, comparison_table, methods_against, titled
from reports.load.panels import View
from reports.plots import facets
from reports.plots.facets import Facet, all_curves

EXPERIMENTS = {  # experiment → heading, and the method that the paper compares the others with
    "continuous": ("λ from a continuous range", "OAT on S1"),
    "without_zero": ("trained without λ = 0", "PGD-AT"),
}


def by_experiment(view: View) -> list[list[Facet]]:
    """A column per experiment in the paper's order, whatever their data sets."""
    order = list(EXPERIMENTS)
    columns = []
    for facet in facets.by_panel(view):
        heading, _ = EXPERIMENTS.get(facet.panel.experiment, (facet.panel.experiment, None))
        columns.append(titled(facet, heading))
    experiments = [facet.panel.experiment for facet in columns]
    places = [order.index(name) if name in order else len(order) for name in experiments]
    return [[facet for _, facet in sorted(zip(places, columns, strict=True), key=lambda entry: entry[0])]]


def at_equal_lambda(facet: Facet) -> dict:
    """Compare each method with the experiment's reference; at λ > 0 if training without λ = 0 is the question."""
    _, reference = EXPERIMENTS.get(facet.panel.experiment, ("", None))
    table = all_curves([facet])
    labels = list(table.label.unique())
    lambdas, where = table.lam.unique(), "all"
    if facet.panel.experiment == "without_zero":
        lambdas, where = lambdas[lambdas > 0], "above 0"
    others = [label for label in labels if label != reference] if reference in labels else []
    rows = methods_against(facet, others, reference, lambdas, where)
    return comparison_table(facet, ": differences at equal λ", rows)


APPC = accuracy_figure(
    name="appc",
    position=14,
    title="App. C. Continuous λ, and normal BN without λ = 0",
    claim="Sampling λ uniformly from [0, 1] gives results within ±0.2 of S1 in SA and RA on SVHN and needs 10 % more "
    "epochs; sampling small λ more densely converges faster. OAT with normal BN trained without λ = 0, on S4, is "
    "within ±0.5 of PGD-AT at λ > 0 on CIFAR-10, but its best SA is 91.5, against 93.1 with dual BN (App. C).",
    keep=PGD7,
    axes="by_lambda",
    rows=by_experiment,
    compare=at_equal_lambda,
    suite="sampling",  # and ablations
)
