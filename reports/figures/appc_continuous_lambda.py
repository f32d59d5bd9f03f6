"""App. C: λ from a continuous range, and normal BN trained without λ = 0; a column each, SA above RA."""

from reports.figures.accuracy_figure import accuracy_figure, against, titled
from reports.load.panels import View
from reports.plots import facets
from reports.plots.facets import Facet

HEADINGS = {"continuous": "λ from a continuous range", "without_zero": "trained without λ = 0"}  # by experiment
REFERENCES = {"OAT, ": "OAT on S1", "OAT (": "PGD-AT"}  # how labels of the two experiments begin → reference


def by_experiment(view: View) -> list[list[Facet]]:
    """A column per experiment in the paper's order, whatever their data sets."""
    order = [*HEADINGS, *(panel.experiment for panel in view.panels)]
    columns = sorted(facets.by_panel(view), key=lambda facet: order.index(facet.panel.experiment))
    return [[titled(f, HEADINGS.get(f.panel.experiment, f.panel.experiment)) for f in columns]]


APPC = accuracy_figure(
    name="appc",
    position=14,
    title="App. C. Continuous λ, and normal BN without λ = 0",
    claim="Sampling λ uniformly from [0, 1] gives results within ±0.2 of S1 in SA and RA on SVHN and needs 10 % more "
    "epochs; sampling small λ more densely converges faster. OAT with normal BN trained without λ = 0, on S4, is "
    "within ±0.5 of PGD-AT at λ > 0 on CIFAR-10, but its best SA is 91.5, against 93.1 with dual BN (App. C).",
    axes="by_lambda",
    rows=by_experiment,
    compare=against(REFERENCES, ": differences at equal λ", above_zero="PGD-AT"),
    suite="sampling",  # and ablations
)
