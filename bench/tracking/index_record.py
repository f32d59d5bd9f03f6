"""`mlflow.json` in a trial's directory: which MLflow run indexes the trial, and what that run already holds.

Imports no MLflow, so that a rerun with nothing to do is quick.
"""

import os
from pathlib import Path

from bench.atomic_write import write_json
from bench.trial_dir import read_json_object, read_results

EMBEDDED_URI = "sqlite:///RUNS/mlflow.db"  # as the record stores it
RECORD = "mlflow.json"
VOLATILE_TAGS = {"command", "mlflow.source.git.commit"}  # change with every command, which is no reason to index again


def store_uri(runs: Path) -> str:
    """The store's URI: MLFLOW_TRACKING_URI, or the SQLite file in the runs directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs / 'mlflow.db'}"


def portable_uri(uri: str, runs: Path) -> str:
    """The URI without the path of the runs directory: the embedded store moves with that directory."""
    return uri.replace(str(runs), "RUNS")


def is_indexed(runs: Path, key: str, tags: dict[str, str]) -> bool:
    """Whether the MLflow run of a trial holds all its measurements and these tags."""
    directory, uri = runs / "trials" / key, portable_uri(store_uri(runs), runs)
    if uri == EMBEDDED_URI and not (runs / "mlflow.db").exists():
        return False
    record = read_index_record(directory)
    if record.get("uri") != uri or stable_tags(record["tags"]) != stable_tags(tags):
        return False
    return set(read_results(directory).get("measurements", {})) <= set(record["measurements"])


def stable_tags(tags: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name not in VOLATILE_TAGS}


def read_index_record(directory: Path) -> dict:
    """{"uri", "experiment_id", "run_id", "measurements", "tags"}, or {} where the trial was never indexed."""
    return read_json_object(directory / RECORD)


def write_index_record(directory: Path, record: dict) -> None:
    write_json(directory / RECORD, record)
