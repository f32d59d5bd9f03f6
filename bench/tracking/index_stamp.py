"""What a trial's directory says of its MLflow run. It needs no MLflow, so that a rerun with nothing to do is quick."""

import json
import os
from pathlib import Path

from bench.trial_dir import read_results

EMBEDDED = "sqlite:///RUNS/mlflow.db"
STAMP = "mlflow.json"  # in a trial's directory: where its run is, and which measurements that holds


def store_uri(runs: Path) -> str:
    """The store's URI: MLFLOW_TRACKING_URI, or the SQLite file in the runs directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs / 'mlflow.db'}"


def is_indexed(runs: Path, key: str, tags: dict[str, str]) -> bool:
    """Whether MLflow already holds all that the trial's directory has, and says the same of its figures and suites.
    Needs no MLflow, so a cached rerun is quick."""
    directory, uri = runs / "trials" / key, store_uri(runs)
    if portable(uri, runs) == EMBEDDED and not (runs / "mlflow.db").exists():
        return False
    stamp, changing = read_stamp(directory), {"command", "mlflow.source.git.commit"}
    same = {k: v for k, v in tags.items() if k not in changing}
    held = {k: v for k, v in stamp.get("tags", {}).items() if k not in changing}
    measured = set(read_results(directory).get("measurements", {}))
    return stamp.get("uri") == portable(uri, runs) and held == same and measured <= set(stamp["measurements"])


def portable(uri: str, runs: Path) -> str:
    """The URI as a stamp keeps it: the embedded store moves with its runs directory."""
    return uri.replace(str(runs), "RUNS")


def read_stamp(directory: Path) -> dict:
    try:
        return json.loads((directory / STAMP).read_text())
    except (OSError, json.JSONDecodeError):
        return {}
