"""The places of a figure: which panel's rows each set of axes shows, under which heading."""

from dataclasses import dataclass, replace

import pandas as pd

from reports.load.results import Panel, View
from reports.statistics import curves

OTHERWISE = "not measured yet for this figure"  # reports.results of a network without the figure's attack or width


@dataclass(frozen=True)
class Cell:
    """One column of a figure. `panel` holds the rows of one width and one attack only."""

    panel: Panel
    heading: str
    below: str = ""
    width: float = 1.0
    note: str = ""  # at the foot of the axes


def of_panels(view: View) -> list[Cell]:
    """A column per data set, as in Figure 4."""
    return [Cell(panel, panel.title, panel.subtitle, note=panel.missing_text) for panel in shown(view)]


def split(view: View, column: str, headings: dict) -> list[list[Cell]]:
    """A row per data set and a column per value of `column` (width or attack), as in Figures 6 and 7.

    headings: value → heading, in order.
    """
    rows = []
    for panel in shown(view):
        below = f"{panel.title}; {panel.subtitle}".removesuffix("; ")
        notes = [panel.missing_text] + [""] * (len(headings) - 1)
        rows.append([])
        for (value, heading), note in zip(headings.items(), notes, strict=True):
            width = value if column == "width" else 1.0
            rows[-1].append(Cell(panel.only(**{column: value}), heading, below, width, note))
    return rows


def shown(view: View) -> list[Panel]:
    """The panels worth drawing, with the plan's recipes beside their trials; see `left_out`."""
    panels = [panel for panel in view.panels if not elsewhere(panel)] or view.panels
    planned = (panel for plan in view.plans for panel in plan["panels"])
    recipes = {trial["key"]: trial.get("recipe") or {} for panel in planned for trial in panel["trials"]}
    return [replace(p, trials=p.trials.assign(recipe=[recipes.get(key, {}) for key in p.trials.key])) for p in panels]


def left_out(view: View) -> list[Panel]:
    """Panels of experiments that list the figure and were measured with other attacks or at other widths alone."""
    drawn = {id(panel) for panel in view.panels if not elsewhere(panel)} or {id(panel) for panel in view.panels}
    return [panel for panel in view.panels if id(panel) not in drawn]


def elsewhere(panel: Panel) -> bool:
    """Whether every network that has results has none of the figure's attack and width."""
    trials = panel.trials
    return bool(trials.note.eq(OTHERWISE).any() and not trials.status.eq("done").any())


def without(view: View, label: str) -> View:
    """The view without one method."""
    keep = [replace(p, trials=p.trials[p.trials.label != label]) for p in view.panels]
    keep = [replace(p, points=p.points[p.points.label != label].reset_index(drop=True)) for p in keep]
    return replace(view, panels=[panel for panel in keep if len(panel.trials)] or view.panels)


def empty_text(panel: Panel) -> str:
    """Why nothing is drawn."""
    if elsewhere(panel):
        return "measured with other attacks\nor at other widths only"
    return "not measured here yet" if panel.trials.status.eq("done").any() else "no network has finished"


def all_curves(cells: list[Cell]) -> pd.DataFrame:
    """curves.curves of every cell in one frame, with `cell`, its place in the list."""
    return pd.concat([curves.curves(cell.panel).assign(cell=place) for place, cell in enumerate(cells)])


def summary(cells: list[Cell]) -> list[dict]:
    """The page's table of each cell."""
    return [{"heading": c.heading, "below": c.below, "rows": curves.summary(c.panel)} for c in cells]


def tables(cells: list[Cell]) -> list[dict]:
    """What the curves go through, as text for the page: per cell a row per method, "SA / RA" per λ, seeds' means."""
    found = []
    for cell in cells:
        table = curves.curves(cell.panel).dropna(subset="sa")
        lambdas = sorted(table.lam.unique())
        texts = {(row.label, row.lam): f"{row.sa:.1f} / {row.ra:.1f}" for row in table.itertuples()}
        rows = [
            {"method": label, "cells": [texts.get((label, lam), "–") for lam in lambdas]}
            for label in table.label.unique()
        ]
        head = {"heading": cell.heading, "below": cell.below, "lambdas": [f"{lam:g}" for lam in lambdas]}
        found.append(head | {"rows": rows})
    return found
