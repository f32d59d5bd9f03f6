"""Facets of a figure: the rows that each set of axes shows, under which heading."""

from dataclasses import dataclass, replace

import pandas as pd

from reports.load import formatting
from reports.load.panels import UNMEASURED, Panel, View
from reports.statistics.curve_tables import sa_ra_table
from reports.statistics.curves import curves


@dataclass(frozen=True)
class Facet:
    """One column of a figure. panel: rows of one width and one attack only. note: text at the foot of the axes."""

    panel: Panel
    heading: str
    below: str = ""
    width: float = 1.0
    note: str = ""


def by_panel(view: View) -> list[Facet]:
    """A facet per data set, as in Figure 4."""
    return [Facet(panel, panel.title, panel.subtitle, note=panel.missing_text) for panel in drawn_panels(view)]


def by_kept(view: View, keep: dict[str, list]) -> list[list[Facet]]:
    """A row of facets per data set, with a facet per width or attack if `keep` has several, as in Figures 6 and 7.

    Otherwise one row, with a facet per data set.
    """
    texts = {"width": "width {:g}".format, "attack": formatting.attack}
    for column, text in texts.items():
        values = [value for value in keep.get(column, ()) if value is not None]
        if len(values) > 1:
            return [[of_value(panel, column, value, text(value), value == values[0]) for value in values]
                    for panel in drawn_panels(view)]  # fmt: skip
    return [by_panel(view)]


def of_value(panel: Panel, column: str, value, heading: str, is_first: bool) -> Facet:
    """A panel's rows of one width or attack. The first facet of a row has the note."""
    below = f"{panel.title}; {panel.subtitle}".removesuffix("; ")
    width, note = value if column == "width" else 1.0, panel.missing_text if is_first else ""
    return Facet(panel.only(**{column: value}), heading, below, width, note)


def share_subtitle(rows: list[list[Facet]]) -> tuple[list[list[Facet]], str]:
    """Take the subtitle that all facets of a single row have out of them. Returns the rows and the subtitle, or ""."""
    subtitles = {facet.below for facet in rows[0]}
    if len(rows) > 1 or len(rows[0]) == 1 or len(subtitles) > 1:
        return rows, ""
    return [[replace(facet, below="") for facet in rows[0]]], subtitles.pop()


def shared_parts(subtitles: list[str]) -> tuple[str, list[str]]:
    """What the subtitles of all rows have in common, as the data set of rows of widths, and the rest of each."""
    parts = [subtitle.split("; ") for subtitle in subtitles]
    shared = [part for part in parts[0] if all(part in others for others in parts)]
    return "; ".join(shared), ["; ".join(part for part in own if part not in shared) for own in parts]


def alike(facet: Facet, facets: list[Facet]) -> list[Facet]:
    """Facets of the same networks, at other widths or under other attacks: their axes are the same, to be compared."""
    return [other for other in facets if other.panel.trials is facet.panel.trials]


def drawn_panels(view: View) -> list[Panel]:
    """Panels worth drawing; all if none is, so that the gap is drawn."""
    return [panel for panel in view.panels if not measured_otherwise(panel)] or view.panels


def measured_otherwise(panel: Panel) -> bool:
    """Whether no network with results has the figure's attack and width."""
    trials = panel.trials
    return bool(trials.note.eq(UNMEASURED).any() and not trials.status.eq("done").any())


def without(view: View, label: str) -> View:
    panels = []
    for panel in view.panels:
        trials, points = (frame[frame.label != label] for frame in (panel.trials, panel.points))
        panels.append(replace(panel, trials=trials, points=points.reset_index(drop=True)))
    return replace(view, panels=[panel for panel in panels if len(panel.trials)] or view.panels)


def empty_text(panel: Panel) -> str:
    """Reason why a facet is empty."""
    if measured_otherwise(panel):
        return "measured with other attacks\nor at other widths only"
    return "not measured here yet" if panel.trials.status.eq("done").any() else "no network has finished"


def all_curves(facets: list[Facet]) -> pd.DataFrame:
    """Curves of all facets in one frame, with `facet`, the index in the list."""
    return pd.concat([curves(facet.panel).assign(facet=place) for place, facet in enumerate(facets)])


def curve_tables(facets: list[Facet]) -> list[dict]:
    """A table of SA / RA by λ of each facet, for the page."""
    return [{"heading": facet.heading, "below": facet.below} | sa_ra_table(facet.panel) for facet in facets]
