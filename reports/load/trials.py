"""Read what is known of planned trials: results.json, failure.json, and the learning rate that won."""

from pathlib import Path

import pandas as pd

from bench import trial_dir
from bench.damaged_files import Damaged
from bench.measures import result_schema
from reports.load import formatting

TRIAL_FIELDS = ("key", "name", "label", "method", "lam", "seed", "lr", "recipe")  # that reports take from a plan
# Address of a run's page in `make ui`
MLFLOW = "http://127.0.0.1:5000/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
# Facts of results.json, NaN or None where unknown: numbers, and texts for the page
NUMBERS = ("heldout", "epoch", "epochs", "train_seconds", "measure_seconds", "macs_forward", "macs_training")
TEXTS = ("trained_at", "measured_at", "hardware", "software", "data", "device", "started", "finished")


def read_trial(runs: Path, trial: dict) -> tuple[dict, list[dict]]:
    """Facts of a planned trial (`status` done, missing, failed, or unreadable) and its measured rows."""
    folder = runs / "trials" / trial["key"]
    facts = {field: trial[field] for field in TRIAL_FIELDS}
    facts |= {"status": "missing", "note": "", "log": "", "url": "", "blend": trial.get("blend")}
    facts |= dict.fromkeys((*NUMBERS, *TEXTS, "data_hash", "macs_by_width"))
    try:
        content = trial_dir.load_results(folder, trial["key"])
        if content is not None:
            results, rows = parse_results(content, trial["measurements"])
            facts |= results | {"status": "done" if rows else "missing", "note": "" if rows else "not measured yet"}
            record = trial_dir.undamaged(trial_dir.load_index_record, folder, trial["key"])
            facts["url"] = MLFLOW.format(**record) if record else ""
            if rows:
                return facts, rows
    except (Damaged, *trial_dir.MALFORMED) as error:
        reason = error.reason if isinstance(error, Damaged) else trial_dir.describe(error)
        facts |= {"status": "unreadable", "note": f"results.json could not be read: {reason}"}
    return facts | read_failure(folder, trial["key"]), []


def parse_results(results: dict, measurement_keys: list[str]) -> tuple[dict, list[dict]]:
    """Facts in results.json, and the rows of the planned measurements that are finished."""
    entries = [results["measurements"].get(key) for key in measurement_keys]
    rows = [row for entry in entries if entry for row in result_schema.parse(entry)]
    recipe, heldout = results["recipe"], results["heldout"] or {}
    numbers = {"heldout": heldout.get("score"), "epoch": heldout.get("epoch"), "epochs": recipe.get("epochs")}
    numbers |= {f"{name}_seconds": results["seconds"][name] for name in ("train", "measure")}
    numbers |= {f"macs_{name}": results["macs"][name] for name in ("forward", "training")}
    facts = {name: float(value) for name, value in numbers.items() if value is not None}
    facts |= {"macs_by_width": macs_by_width(results), "data_hash": recipe.get("data_hash")}
    return facts | provenance_texts(results["provenance"], recipe), rows


def provenance_texts(provenance: dict, recipe: dict) -> dict:
    """TEXTS of a network, of `trained_at` a list. Results from elsewhere may have any values."""
    known = {name: str(value) for name, value in provenance.items() if value is not None}
    commits = [str(name) for name in provenance.get("trained_at") or []]
    trained_at = [formatting.commit(name.removesuffix("-dirty"), name.endswith("-dirty")) for name in commits]
    commit, dirty = known.get("git_commit"), provenance.get("git_dirty")
    dataset, data_hash = formatting.dataset(str(recipe.get("dataset"))), recipe.get("data_hash")
    return {
        "trained_at": trained_at or ["not recorded"],
        "measured_at": None if commit is None else formatting.commit(commit, dirty),
        "hardware": f"{known.get('device')}; {known['host_cpu']}" if "host_cpu" in known else None,
        "software": f"torch {known['torch']}, Python {known.get('python')}" if "torch" in known else None,
        "data": f"{dataset}, content hash {str(data_hash)[:12]}…" if data_hash is not None else None,
        "device": known.get("device"),
        "started": known.get("started"),
        "finished": known.get("finished"),
    }


def macs_by_width(results: dict) -> dict[float, float]:
    """Width → multiply–accumulates of a forward pass; widths other than 1 only where the probe `cost` was measured."""
    costs = [entry for entry in results["measurements"].values() if entry["measurement"]["probe"] == "cost"]
    counted = {float(row["width"]): float(row["macs"]) for entry in costs for row in entry["rows"]}
    return {1.0: float(results["macs"]["forward"])} | counted


def read_failure(folder: Path, key: str) -> dict:
    """Status, note and log of a failed trial; empty if it did not fail."""
    try:
        failure = trial_dir.load_failure(folder, key)
    except Damaged:
        return {"status": "failed", "note": "failure.json could not be read"}
    if failure is None:
        return {}
    first_line = (failure["reason"].strip().splitlines() or [""])[0]
    return {"status": "failed", "note": first_line, "log": failure["log"]}


def select_learning_rates(trials: pd.DataFrame) -> pd.DataFrame:
    """Learning-rate grid: a row per network family (label, lam) and lr, with `score`, `done`, `planned` and `won`.

    trials: columns label, lam, lr, status, heldout. The winner has the best mean held-out score over finished seeds
    (ledger row 8); test accuracy plays no part. Ties go to the larger lr. A family without finished networks has no
    winner.
    """
    done = trials.status == "done"
    table = (
        trials.assign(score=trials.heldout.where(done), done=done)
        .groupby(["label", "lam", "lr"], dropna=False, as_index=False)
        .agg(score=("score", "mean"), done=("done", "sum"), planned=("done", "size"))
    )
    ranked = table[table.done > 0].assign(score=lambda t: t.score.fillna(-1.0)).sort_values(["score", "lr"])
    winners = ranked.groupby(["label", "lam"], dropna=False).tail(1).index
    return table.assign(won=table.index.isin(winners))


def attack_settings(folder: Path, attack: str) -> set[tuple[float, float]]:
    """(step, ε) of an attack in a trial's accuracy measurements; empty if results.json cannot be read."""
    entries = trial_dir.read_results(folder).get("measurements", {}).values()
    measurements = [entry["measurement"] for entry in entries if entry["measurement"].get("attack") == attack]
    return {(m.get("step"), m.get("epsilon")) for m in measurements if m["probe"] == "accuracy"}
