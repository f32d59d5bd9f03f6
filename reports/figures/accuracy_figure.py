"""Specifications of figures of SA and RA: a trade-off (SA against RA), or both metrics by λ."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from reports.figures.figure_spec import FigureSpec, points_csv
from reports.load.panels import View
from reports.plots import by_lambda, captions, dial, facets, tradeoff
from reports.plots.facets import Facet
from reports.statistics import differences
from reports.statistics.curve_tables import summary_rows
from reports.statistics.curves import method_order

Comparison = tuple[str, list[dict]]  # what the heading of a table of the page ends in, and its rows
PGD7 = {"attack": ["pgd7"], "width": [1.0]}  # the paper's attack, full width
AXES = {
    "tradeoff": (tradeoff.draw, tradeoff.caption),
    "by_lambda": (by_lambda.draw, by_lambda.caption),
    "side_by_side": (by_lambda.draw_side_by_side, by_lambda.caption),
}


def accuracy_figure(
    *,
    axes: str,
    keep: dict[str, list] = PGD7,
    rows: Callable[[View], list[list[Facet]]] | None = None,
    omit: str = "",
    omitted_in: str = "",
    explanation: str = "",
    off_range: tuple[str, ...] = (),
    lead: str = "",
    compare: Callable[[Facet], Comparison] | None = None,
    **fields,
) -> FigureSpec:
    """Specification of a figure of SA and RA.

    axes: tradeoff, by_lambda (SA above RA), or side_by_side (SA left of RA). keep: as of FigureSpec. rows: rows of
    facets, by default a column per value of which `keep` has several, otherwise a column per data set. omit: method
    that is left out and shown in the figure omitted_in. off_range: methods that do not set the limits of the axes.
    lead: first sentence of the caption. explanation: its last sentences. compare: facet → further
    table for the page.
    """
    rows = rows or partial(facets.by_kept, keep=keep)
    draw, describe = AXES[axes]
    limits = {} if axes == "tradeoff" else {"off_range": off_range}

    def shown(view: View) -> View:
        return facets.without(view, omit) if omit else view

    def all_facets(view: View) -> list[Facet]:
        return sum(rows(shown(view)), [])

    def caption(view: View) -> str:
        elsewhere = f"{omit} is in {omitted_in}." if (view.trials.label == omit).any() else ""
        drawn = describe(all_facets(view), shown(view), **limits)
        return captions.join(lead, drawn, elsewhere, explanation)

    def summary(view: View) -> list[dict]:
        columns = all_facets(view)
        tables = [(facet, "", summary_rows(facet.panel)) for facet in columns]
        tables += [(facet, *compare(facet)) for facet in columns if compare]
        return [{"heading": f.heading + ending, "below": f.below, "rows": rows} for f, ending, rows in tables]

    return FigureSpec(
        keep=keep,
        draw=lambda view: draw(rows(shown(view)), shown(view), **limits),
        caption=caption,
        summary=summary,
        csv=lambda view: points_csv(shown(view)),
        curves=lambda view: facets.curve_tables(all_facets(view)),
        dial=lambda view: {"axes": axes, "facets": dial.facet_entries(all_facets(view))},
        **fields,
    )


def figure(*, headings=None, experiments=None, compare=None, **fields) -> FigureSpec:
    """Specification of an entry of figures.yaml: accuracy_figure with functions for the fields named here."""
    if headings:
        fields["rows"] = partial(under_headings, headings=headings)
    if experiments:
        fields["rows"] = partial(by_experiment, headings=experiments)
    if compare:
        fields["compare"] = partial(against, **compare)
    return accuracy_figure(**fields)


def titled(facet: Facet, heading: str) -> Facet:
    """The facet under another heading, with its data set below."""
    return replace(facet, heading=heading, below=f"{facet.heading}; {facet.below}".removesuffix("; "))


def under_headings(view: View, headings: Mapping[str, str]) -> list[list[Facet]]:
    """The facets of Figure 4, each under the heading of its method. headings: how a method's label begins → heading."""
    columns = []
    for facet in facets.by_panel(view):
        labels = facet.panel.trials.label.unique()
        label = next((label for start in headings for label in labels if label.startswith(start)), None)
        columns.append(titled(facet, headings.get(label, label)) if label else facet)
    return [columns]


def by_experiment(view: View, headings: Mapping[str, str]) -> list[list[Facet]]:
    """A column per experiment, whatever its data set, in the order of the headings. headings: experiment → heading."""
    order = [*headings, *(panel.experiment for panel in view.panels)]
    columns = sorted(facets.by_panel(view), key=lambda facet: order.index(facet.panel.experiment))
    return [[titled(f, headings.get(f.panel.experiment, f.panel.experiment)) for f in columns]]


def against(facet: Facet, references: Mapping[str, str], heading: str = "", above_zero: str = "") -> Comparison:
    """Table of each method minus its reference at equal λ.

    references: how a method's label begins → label of its reference. heading: in place of the reference's name.
    above_zero: reference that is compared at λ > 0 alone.
    """
    points, rows = facet.panel.points, []
    labels = method_order(points.label.unique())
    for label in labels:
        reference = next((name for start, name in references.items() if label.startswith(start)), None)
        if reference in labels and reference != label:
            lambdas = points.lam[points.lam > 0] if reference == above_zero else points.lam
            where = "above 0" if reference == above_zero else "all"
            rows.append(differences.table_row(points, label, reference, lambdas, where))
    named = heading or (f", against {rows[0]['against']} at equal λ" if rows else "")
    return named, differences.drop_empty_columns(rows)
