"""Specification of a figure: its texts, the measured rows it draws, and the functions that draw and describe it."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from reports.load.panels import PANEL_COLUMNS, View

CSV_COLUMNS = ["method", *PANEL_COLUMNS, "seed", "lambda", "width", "attack", "epsilon", "sa", "ra", "n", "key"]


def points_csv(view: View) -> pd.DataFrame:
    """Every plotted point of a figure of SA and RA: a row per seed and λ, sorted, in percent."""
    return csv_of(view.points, CSV_COLUMNS)


def csv_of(points: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Columns of measured points under the names of CSV files, sorted."""
    table = points.drop(columns="method").rename(columns={"label": "method", "lam": "lambda"})[columns]
    table = table.drop_duplicates().sort_values(columns, ignore_index=True)
    return table.round({"sa": 4, "ra": 4})


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
