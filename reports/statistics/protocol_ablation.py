"""Effect of each row of the protocol ledger: networks with one choice changed against their baselines, at equal λ."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from bench.spec.lambda_sets import S1, S3
from bench.spec.protocol_ledger import NOISE_ROWS
from reports.load.panels import Panel
from reports.load.trials import attack_settings
from reports.statistics import differences
from reports.statistics.contrasts import METRICS, unambiguous_counts
from reports.statistics.variance_pool import pool_of_points

ROW = re.compile(r"row (\d+)\b|all\b", re.IGNORECASE)  # how the label of a changed network begins
DEFAULT = "default"
# Rows that leave training alone: they choose a checkpoint, or the code of a λ that training never uses. Networks of one
# seed are then one training, and no difference at all is a finding.
AFTER_TRAINING = {"protocol.selection", "protocol.unseen"} | {f"protocol.{name}" for name in NOISE_ROWS}
UNSEEN = {"protocol.unseen"}
NOT_COMPARED = {"seed", "lr", "lam"}  # fields that tell networks of one label apart


def flat_recipe(recipe: dict) -> dict[str, str]:
    """Fields of a recipe as text, ledger rows as `protocol.<row>`."""
    fields = {name: value for name, value in recipe.items() if name not in {"protocol", *NOT_COMPARED}}
    fields |= {f"protocol.{name}": value for name, value in recipe["protocol"].items()}
    return {name: json.dumps(value) for name, value in fields.items()}


def changed_fields(recipe: dict, other: dict) -> set[str]:
    """Names of the fields in which two recipes differ."""
    fields, other_fields = flat_recipe(recipe), flat_recipe(other)
    return {name for name in fields.keys() | other_fields.keys() if fields.get(name) != other_fields.get(name)}


def ledger_rows(trials: pd.DataFrame) -> list[dict]:
    """Ledger rows of a panel in the ledger's order, `all rows` last: label, baseline, and changed fields.

    The baseline is the network outside the ledger whose recipe differs in the fewest fields, preferably `default`. A
    row that changes nothing at this scale is left out.
    """
    recipes = {label: rows.recipe.iloc[0] for label, rows in trials.groupby("label", sort=False)}
    baselines = sorted((label for label in recipes if not ROW.match(label)), key=lambda label: label != DEFAULT)
    rows = []
    for label in sorted((label for label in recipes if ROW.match(label)), key=ledger_order):
        changed = {name: changed_fields(recipes[label], recipes[name]) for name in baselines}
        nearest = min(baselines, key=lambda name: len(changed[name]), default=None)
        if nearest is None or changed[nearest]:
            rows.append({"row": label, "baseline": nearest, "changed": changed.get(nearest, set())})
    return rows


def ledger_order(label: str) -> tuple[int, str]:
    number = ROW.match(label)[1]
    return int(number) if number else 10**6, label


def places(row: dict, shared: list[float]) -> dict[str, list[float]]:
    """Name → λ at which a row is compared: mean over S1 and its ends, or S3 if only the code of an unseen λ changes.

    shared: λ measured for both the row and its baseline.
    """
    if row["changed"] and row["changed"] <= UNSEEN:
        unseen = [lam for lam in S3 if lam in shared]
        return {"mean over unseen λ": unseen} if unseen else {}
    measured = [lam for lam in S1 if lam in shared]
    mean = {"mean over S1" if len(measured) == len(S1) else "mean over λ": measured} if len(measured) > 1 else {}
    return mean | {f"λ = {lam:g}": [lam] for lam in (0.0, 1.0) if lam in measured}


def comparisons(panel: Panel) -> pd.DataFrame:
    """A row per ledger row, place and metric; NaN for a ledger row that cannot be compared yet.

    Columns: row, baseline, changed, place, lambdas, metric, difference, low, high, p, p_holm (over all comparisons of
    the panel), kind, values, other_values, keys.
    """
    rows, points, counts = [], panel.points, unambiguous_counts(panel.points)
    pool = pool_of_points(points)
    for row in ledger_rows(panel.trials):
        methods = (row["row"], row["baseline"])
        measured = [set(points.lam[points.label == name]) for name in methods]
        same_training = bool(row["changed"]) and row["changed"] <= AFTER_TRAINING
        for name, lambdas in (places(row, sorted(set.intersection(*measured))) or {"–": []}).items():
            for metric in METRICS:
                comparison = differences.compare(counts, *methods, lambdas, metric, same_training, pool)
                place = {"place": name, "lambdas": lambdas, "metric": metric}
                rows.append(row | place | (comparison or {"values": [], "other_values": [], "keys": []}))
    columns = ["row", "baseline", "changed", "place", "lambdas", "metric", "value", "low", "high", "p", "kind"]
    table = pd.DataFrame(rows, columns=[*columns, "values", "other_values", "keys"])
    table = table.astype(dict.fromkeys(["value", "low", "high", "p"], float)).rename(columns={"value": "difference"})
    return table.assign(p_holm=differences.holm(table.p))


def excludes_zero(p: float, p_holm: float) -> str:
    """Whether the interval excludes 0; interval and p agree, since they come from the same distribution."""
    if np.isnan(p):
        return "–"
    return "no" if p >= 0.05 else "yes, also after Holm" if p_holm < 0.05 else "yes, not after Holm"


def attacked_otherwise(panel: Panel, row: dict, runs: Path, attack: str) -> bool:
    """Whether a row's RA was measured with another step or ε than its baseline's, which changes RA as well."""
    keys = (panel.trials.key[panel.trials.label == name] for name in (row["row"], row["baseline"]))
    settings, baseline = (set().union(*(attack_settings(runs / "trials" / key, attack) for key in own)) for own in keys)
    return bool(settings and baseline and not settings & baseline)
