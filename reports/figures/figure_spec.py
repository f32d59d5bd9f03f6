"""Specification of a figure: its texts, the measured rows it draws, and the functions that draw and describe it."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from reports.load.panels import PANEL_COLUMNS, Panel, View
from reports.plots import captions

CSV_COLUMNS = ["method", *PANEL_COLUMNS, "seed", "lambda", "width", "attack", "epsilon", "sa", "ra", "n", "key"]
NAMES = {"method": "label", "lambda": "lam", "net_lambda": "net_lam"}  # in CSV files → of measured rows
DECIMALS = {"sa": 4, "ra": 4, "alignment": 6, "alignment_sd": 6}


def points_csv(view: View) -> pd.DataFrame:
    """Every plotted point of a figure of SA and RA: a row per seed and λ, sorted, in percent."""
    return csv_of(view.points, CSV_COLUMNS)


def csv_of(rows: pd.DataFrame | list[dict], columns: list[str]) -> pd.DataFrame:
    """These columns of measured rows under the names of CSV files, sorted, each row once."""
    table = pd.DataFrame(rows, columns=[NAMES.get(name, name) for name in columns]).set_axis(columns, axis=1)
    return table.drop_duplicates().sort_values(columns, ignore_index=True).round(DECIMALS)


@dataclass(frozen=True, kw_only=True)
class FigureSpec:
    """A figure of the report.

    name: in suites and file names. position: on the page; the paper's figures have their number. claim: the paper's
    statement. keep: measured rows that it draws, column → values; rows of another probe than accuracy with
    "probe": [...]. suite: suites/<suite>.yaml trains and measures for it.

    summary and curves return tables for the page: {"heading", "below", "rows"}, curves with "lambdas" too. dial: data
    of the page's interactive figure (plots/dial.py), or None.
    """

    name: str
    position: float
    title: str
    claim: str
    keep: dict[str, list]
    draw: Callable[[View], Figure]
    caption: Callable[[View], str]
    summary: Callable[[View], list[dict]]
    csv: Callable[[View], pd.DataFrame] = points_csv
    curves: Callable[[View], list[dict]] = lambda view: []  # without curves
    dial: Callable[[View], dict | None] = lambda view: None
    suite: str = "frontiers"


def probe_figure(
    *,
    caption: Callable[[View], str],
    rows: Callable[[Panel], list[dict]],
    columns: list[str],
    csv_rows: Callable[[View], pd.DataFrame | list[dict]] = lambda view: view.probes,
    **fields,
) -> FigureSpec:
    """Specification of a figure of another probe than accuracy, with a table per panel.

    caption: of a figure with results. rows: of a panel's table. columns, csv_rows: of the CSV file, see csv_of.
    """
    return FigureSpec(
        caption=lambda view: caption(view) if view.probes else captions.nothing_finished(view),
        summary=lambda view: [{"heading": p.title, "below": p.subtitle, "rows": rows(p)} for p in view.panels],
        csv=lambda view: csv_of(csv_rows(view), columns),
        **fields,
    )
