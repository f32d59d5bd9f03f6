"""The files of a trial's directory `runs/trials/<key>/`, and how the small ones are read and written.

The directory is the only record of a trial; MLflow's index and all reports are derived from it:
  recipe.json          the recipe
  progress.jsonl       a row per finished epoch
  checkpoint/          the state after the last finished epoch, while training
  weights.safetensors  the selected network
  saliency-….safetensors  maps and alignments of a saliency measurement
  results.json         counts per λ (or a probe's rows) of each measurement, held-out score, times, MACs, provenance
  failure.json         why the trial failed, if it did
  mlflow.json          its run in MLflow (bench/tracking/index_record.py)

Imports no torch, so that verbs that only read trials (`plan`, `status`, `report`) start quickly.
"""

import json
from pathlib import Path

from bench.atomic_write import write_json


def read_failure(directory: Path) -> str | None:
    """Why the trial failed, or None."""
    return read_json_object(directory / "failure.json").get("reason")


def write_failure(directory: Path, reason: str, log: str) -> None:
    """Write failure.json. `log` names the file in the directory that has the details."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "failure.json", {"reason": reason, "log": log})


def read_results(directory: Path) -> dict:
    """results.json, or {} where it is absent or damaged."""
    return read_json_object(directory / "results.json")


def read_progress(directory: Path) -> list[dict]:
    """The rows of progress.jsonl up to the first damaged one."""
    rows = []
    try:
        for line in (directory / "progress.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows.append({"epoch": row["epoch"], **row})
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return rows


def read_json_object(path: Path) -> dict:
    """The JSON object in the file, or {} where the file is absent or holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # ValueError: not JSON, or not UTF-8
        return {}
    return value if isinstance(value, dict) else {}
