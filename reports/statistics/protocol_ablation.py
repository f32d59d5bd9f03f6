"""What each row of the protocol ledger changes: networks with one thing changed against their baselines, at equal λ."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from reports.load import trained_lambdas
from reports.load.results import DAMAGED, Panel
from reports.statistics import differences
from reports.statistics.curves import METRICS

ROW = re.compile(r"row (\d+)\b|all\b", re.IGNORECASE)
DEFAULT = "default"
# The rows that leave training alone: they choose a checkpoint, or the code of a λ that training never uses. Networks of
# one seed are then one training run, and no difference at all is a finding.
AFTER_TRAINING = {"protocol.selection", "protocol.unseen"}
UNSEEN = {"protocol.unseen"}
OWN = {"seed", "lr", "lam"}  # fields that tell networks of one label apart


def flat(recipe: dict) -> dict[str, str]:
    """The recipe's fields as text, ledger rows as `protocol.<row>`."""
    rows = recipe.get("protocol") or {}
    fields = {name: value for name, value in recipe.items() if name not in {"protocol", *OWN}}
    fields |= {f"protocol.{name}": value for name, value in rows.items()}
    return {name: json.dumps(value) for name, value in fields.items()}


def differing(recipe: dict, other: dict) -> set[str]:
    """Names of the fields in which two recipes differ."""
    one, two = flat(recipe), flat(other)
    return {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}


def rows(trials: pd.DataFrame) -> list[dict]:
    """The ledger rows of a panel in the ledger's order, `all rows` last: label, baseline, and the fields changed.

    The baseline is the network without a row of its own whose recipe differs in the fewest fields. Without recipes (a
    plan older than they are) it is `default`. A row that changes nothing here is left out.
    """
    recipes = {label: own.recipe.iloc[0] for label, own in trials.groupby("label", sort=False)}
    baselines = sorted((label for label in recipes if not ROW.match(label)), key=lambda label: label != DEFAULT)
    found = []
    for label in sorted((label for label in recipes if ROW.match(label)), key=place):
        changed = {name: differing(recipes[label], recipes[name]) for name in baselines}
        nearest = min(baselines, key=lambda name: len(changed[name]), default=None)
        if not recipes[label]:
            nearest = DEFAULT if DEFAULT in baselines else None
        if nearest is None or changed[nearest] or not recipes[label]:
            found.append({"row": label, "baseline": nearest, "changed": changed.get(nearest, set())})
    return found


def place(label: str) -> tuple[int, str]:
    number = ROW.match(label)[1]
    return int(number) if number else 10**6, label


def places(row: dict, shared: list[float]) -> dict[str, list[float]]:
    """Where a row is judged: over S1 and at its ends; over S3 if it changes nothing but the code of an unseen λ.

    shared: the λ measured for the row and its baseline both.
    """
    if row["changed"] and row["changed"] <= UNSEEN:
        own = [lam for lam in trained_lambdas.SETS["S3"] if lam in shared]
        return {"mean over unseen λ": own} if own else {}
    own = [lam for lam in trained_lambdas.SETS["S1"] if lam in shared]
    mean = (
        {"mean over S1" if len(own) == len(trained_lambdas.SETS["S1"]) else "mean over λ": own} if len(own) > 1 else {}
    )
    return mean | {f"λ = {lam:g}": [lam] for lam in (0.0, 1.0) if lam in own}


def comparisons(panel: Panel) -> pd.DataFrame:
    """A row per ledger row, place and metric; one with NaN for a ledger row that cannot be compared yet.

    Columns: row, baseline, place, lambdas, metric, difference, low, high, p, p_holm (over all comparisons of the
    panel), kind, values, other_values, keys.
    """
    found, points, counts = [], panel.points, differences.counted(panel.points)
    for row in rows(panel.trials):
        measured = [set(points.lam[points.label == name]) for name in (row["row"], row["baseline"])]
        alike = bool(row["changed"]) and row["changed"] <= AFTER_TRAINING
        where = places(row, sorted(set.intersection(*measured))) or {"–": []}
        for name, lams in where.items():
            for metric in METRICS:
                compared = None
                if lams:
                    compared = differences.compare(counts, row["row"], row["baseline"], lams, metric, alike)
                found.append(row | {"place": name, "lambdas": lams, "metric": metric} | (compared or {}))
    columns = ["row", "baseline", "changed", "place", "lambdas", "metric", "difference", "low", "high", "p", "kind"]
    table = pd.DataFrame(found, columns=[*columns, "values", "other_values", "keys"])
    numbers = ["difference", "low", "high", "p"]
    table[numbers] = table[numbers].astype(float)
    return table.assign(p_holm=differences.holm(table.p))


def verdict(p: float, p_holm: float) -> str:
    """Whether the interval excludes 0. The intervals and p come from the same distribution, so that they agree."""
    if np.isnan(p):
        return "–"
    return "no" if p >= 0.05 else "yes, also after Holm" if p_holm < 0.05 else "yes, not after Holm"


def other_attack(panel: Panel, row: dict, runs: Path, attack: str) -> bool:
    """Whether a row was attacked with another step or ε than its baseline where RA is measured, so that RA differs by
    that as well."""
    keys = (panel.trials.key[panel.trials.label == name] for name in (row["row"], row["baseline"]))
    own, other = ({found for key in some for found in sizes(runs / "trials" / key, attack)} for some in keys)
    return bool(own and other and not own & other)


def sizes(folder: Path, attack: str) -> set[tuple]:
    """Step and ε of an attack as it was measured on a network; none where its results cannot be read."""
    try:
        measured = json.loads((folder / "results.json").read_text("utf-8"))["measurements"].values()
        whats = [one["measurement"] for one in measured if one["measurement"].get("attack") == attack]
        return {(what["step"], what["epsilon"]) for what in whats if what.get("probe", "accuracy") == "accuracy"}
    except DAMAGED:
        return set()
