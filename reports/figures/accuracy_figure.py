"""Specifications of figures of SA and RA: a trade-off (SA against RA), or both metrics by λ."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from reports.figures.figure_spec import FigureSpec, points_csv
from reports.load.panels import View
from reports.plots import by_lambda, dial, facets, tradeoff
from reports.plots.facets import Facet
from reports.statistics import differences
from reports.statistics.curve_tables import summary_rows

PGD7 = {"attack": ["pgd7"], "width": [1.0]}  # the paper's attack, full width
DRAWINGS = {"tradeoff": tradeoff.draw, "by_lambda": by_lambda.draw, "side_by_side": by_lambda.draw_side_by_side}


def accuracy_figure(
    *,
    axes: str,
    rows: Callable[[View], list[list[Facet]]] = lambda view: [facets.by_panel(view)],
    omit: str = "",
    omitted_in: str = "",
    off_range: tuple[str, ...] = (),
    lead: str = "",
    compare: Callable[[Facet], dict | None] | None = None,
    **fields,
) -> FigureSpec:
    """Specification of a figure of SA and RA.

    axes: tradeoff, by_lambda (SA above RA), or side_by_side (SA left of RA). rows: rows of facets, by default a column
    per data set. omit: method that is left out and shown in the figure omitted_in. off_range: methods that do not set
    the limits of the axes. lead: first sentence of the caption. compare: facet → further table for the page, or None.
    """

    def shown(view: View) -> View:
        return facets.without(view, omit) if omit else view

    def all_facets(view: View) -> list[Facet]:
        return sum(rows(shown(view)), [])

    def draw(view: View):
        styles = {"off_range": off_range} if axes != "tradeoff" else {}
        return DRAWINGS[axes](rows(shown(view)), shown(view), **styles)

    def caption(view: View) -> str:
        if axes != "tradeoff":
            return by_lambda.caption(all_facets(view), shown(view), lead, off_range)
        elsewhere = f"{omit} is in {omitted_in}." if (view.trials.label == omit).any() else ""
        return tradeoff.caption(all_facets(view), shown(view), elsewhere)

    def summary(view: View) -> list[dict]:
        columns = all_facets(view)
        tables = [{"heading": f.heading, "below": f.below, "rows": summary_rows(f.panel)} for f in columns]
        return tables + [table for table in map(compare, columns) if table] if compare else tables

    def csv(view: View) -> pd.DataFrame:
        return points_csv(shown(view))

    def curves(view: View) -> list[dict]:
        return facets.curve_tables(all_facets(view))

    def interactive(view: View) -> dict:
        return {"axes": axes, "facets": dial.facet_entries(all_facets(view))}

    texts = {"caption": caption, "summary": summary, "csv": csv, "curves": curves}
    return FigureSpec(draw=draw, dial=interactive, **texts, **fields)


def titled(facet: Facet, heading: str) -> Facet:
    """The facet under another heading, with its data set below."""
    return replace(facet, heading=heading, below=f"{facet.heading}; {facet.below}".removesuffix("; "))


def comparison_table(facet: Facet, heading: str, rows: list[dict]) -> dict:
    """Table of differences for the page. rows: of differences.table_row."""
    return {"heading": f"{facet.heading}{heading}", "below": facet.below, "rows": differences.drop_empty_columns(rows)}


def methods_against(facet: Facet, labels: list[str], reference: str, lambdas, where: str) -> list[dict]:
    """Rows that compare each label with a reference at equal λ; no rows if there are no λ."""
    points = facet.panel.points
    return [differences.table_row(points, label, reference, lambdas, where) for label in labels if len(lambdas)]
