"""Tables that figures of SA and RA share."""

import pandas as pd

from reports.load.results import View

CSV_COLUMNS = ["method", "dataset", "scale", "seed", "lambda", "width", "attack", "sa", "ra", "n", "key"]


def csv_table(points: pd.DataFrame) -> pd.DataFrame:
    """Every plotted point, sorted: a row per seed and λ, SA and RA in percent."""
    table = points.drop(columns="method").rename(columns={"label": "method", "lam": "lambda"})[CSV_COLUMNS]
    table = table.drop_duplicates().sort_values(CSV_COLUMNS, ignore_index=True)
    return table.round({"sa": 4, "ra": 4})


def curves_table(view: View) -> list[dict]:
    """What the curves go through, as text: a table per panel, a row per method, "SA / RA" per λ (mean over seeds)."""
    tables = []
    for panel in view.panels:
        points = panel.points
        lambdas, labels = sorted(points["lam"].unique()), points["label"].unique()
        means = points.groupby(["label", "lam"])[["sa", "ra"]].mean()
        rows = [{"method": label, "cells": [cell(means, label, lam) for lam in lambdas]} for label in labels]
        head = {"heading": panel.title, "below": panel.subtitle, "lambdas": [f"{lam:g}" for lam in lambdas]}
        tables.append(head | {"rows": rows})
    return tables


def cell(means: pd.DataFrame, label: str, lam: float) -> str:
    if (label, lam) not in means.index:
        return "–"
    sa, ra = means.loc[(label, lam)]
    return f"{sa:.1f} / {ra:.1f}"
