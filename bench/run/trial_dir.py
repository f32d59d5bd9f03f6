"""A trial's directory: what lies in it, what of a trial it lacks, and how its small files are read and written.

The directory is the truth about the trial:
  recipe.json          the recipe
  progress.jsonl       a row per finished epoch
  checkpoint/          the state after the last finished epoch, while training
  weights.safetensors  the selected network
  saliency-….safetensors  maps and alignments of a saliency measurement
  results.json         counts per λ (or a probe's rows) of each measurement, held-out score, times, MACs, provenance
  failure.json         why it failed, if it did

It needs no torch, so that whatever only looks at trials (a plan, the status, a report) starts without it.
"""

import json
from pathlib import Path

from bench.atomic_write import write_json
from bench.spec.measurement import Measurement
from bench.spec.trial import Trial

NEEDS = "examples are to be crafted with the weights of network"


def missing(trial: Trial, directory: Path) -> list[Measurement]:
    """The trial's measurements that results.json does not hold."""
    done = read_results(directory).get("measurements", {})
    return [what for what in trial.measurements if what.key not in done]


def unfinished(trial: Trial, directory: Path) -> bool:
    return bool(missing(trial, directory))


def waited(trial: Trial, directory: Path) -> bool:
    """Whether all that a trial lacks needed the weights of a network that had not been trained then, and is now."""
    lacks = missing(trial, directory)
    there = all(w.surrogate and (directory.parent / w.surrogate / "weights.safetensors").exists() for w in lacks)
    return bool(lacks) and there and (read_failure(directory) or "").startswith(NEEDS)


def read_failure(directory: Path) -> str | None:
    """Why the trial failed, if it did."""
    return read_object(directory / "failure.json").get("reason")


def write_failure(directory: Path, reason: str, log: str) -> None:
    """`log` names the file in the directory that tells more."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "failure.json", {"reason": reason, "log": log})


def read_results(directory: Path) -> dict:
    """results.json, or {} when it is absent or was damaged by hand (it is replaced atomically)."""
    return read_object(directory / "results.json")


def read_progress(directory: Path) -> list[dict]:
    """The rows of progress.jsonl up to the first damaged one."""
    rows = []
    try:
        for line in (directory / "progress.jsonl").read_text().splitlines():
            row = json.loads(line)
            rows.append({"epoch": row["epoch"], **row})
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return rows


def read_object(path: Path) -> dict:
    """A JSON object, or {} when there is none to be read."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):  # ValueError: no JSON, or no UTF-8
        return {}
    return value if isinstance(value, dict) else {}
