"""Figure `narrow`: OATS with a width of 0.25 too, by λ (footnote 2 of the paper); a column per width."""

from functools import partial

from reports.figures.accuracy_figure import accuracy_figure
from reports.plots import facets

WIDTHS = {1.0: "width 1", 0.75: "width 0.75", 0.5: "width 0.5", 0.25: "width 0.25"}

NARROW = accuracy_figure(
    name="narrow",
    position=9.5,
    title="Width 0.25. SA and RA by λ at four widths",
    claim="At width 0.25 OATS can still yield reasonable SA, but its RA is too degraded to be meaningful, so the paper "
    "has three widths and not the four of slimmable networks (Sec. 4.3, footnote 2).",
    keep={"attack": ["pgd7"], "width": list(WIDTHS)},
    axes="by_lambda",
    rows=partial(facets.by_value, column="width", headings=WIDTHS),
    lead="One OATS network, trained at four widths.",
    suite="slimming",
)
