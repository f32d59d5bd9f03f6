"""One Trial in one directory: train, then measure. Plain torch, no Ray and no MLflow, so it runs wherever torch runs.

What the directory holds, bench/run/trial_dir.py says.
"""

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.atomic_write import write_json, write_text
from bench.data import DataError, Dataset, describe, load
from bench.measures import correct_bits
from bench.measures.accuracy import accuracy
from bench.measures.cost import cost, training_macs
from bench.measures.probes import PROBES
from bench.models import build
from bench.run import provenance
from bench.run.trial_dir import NEEDS, missing, read_object, read_progress, read_results, write_failure
from bench.spec.attacks import credit
from bench.spec.autoattack_packages import Unavailable
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial
from bench.training import selection, trades  # noqa: F401, trades adds its method
from bench.training.loop import TrainingFailed, train


def run(trial: Trial, directory: Path, data_root: Path, device: torch.device, extra: dict) -> Iterator[dict]:
    """Yield a row per finished epoch ({"epoch", …}, see training.loop) and per measured λ ({"lam", …}).

    Goes on from whatever the directory holds; a finished trial yields nothing. `extra` is stored with the provenance.
    A TrainingFailed, DataError, or Unavailable, which another try would only repeat, is written to failure.json and
    yielded as {"failed": reason}. Holds a lock on the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a worker that outlived its killed driver finishes its epoch first
        recipe = trial.recipe
        there = read_object(directory / "recipe.json")
        if there and Recipe.model_validate(there).key != recipe.key:
            raise DataError(f"{directory} holds another network than this recipe's: choose another directory")
        write_json(directory / "recipe.json", recipe.model_dump(mode="json"))
        (directory / "failure.json").unlink(missing_ok=True)
        if not missing(trial, directory):
            return
        try:
            if describe(trial.source, data_root).fingerprint != recipe.data_hash:
                raise DataError(f"{trial.source} is no longer the data that was planned for: run the command again")
            data = load(trial.source, root=data_root, heldout=recipe.heldout, train_images=recipe.train_images)
            yield from trained(recipe, data, directory, device, extra)
            yield from measured(trial, data, directory, device, extra)
        except (TrainingFailed, DataError, Unavailable) as error:
            write_failure(directory, str(error), "progress.jsonl")
            yield {"failed": str(error)}


def trained(recipe: Recipe, data: Dataset, directory: Path, device: torch.device, extra: dict) -> Iterator[dict]:
    """Train unless the weights are there. progress.jsonl then holds each epoch once, in order, and its commit."""
    checkpoint = directory / "checkpoint"
    if not (directory / "weights.safetensors").exists():
        path, rows = directory / "progress.jsonl", read_progress(directory)
        for row in train(recipe, data, directory, device):
            row |= {"time": provenance.now(), "commit": committed(extra)}
            rows = [old for old in rows if old["epoch"] < row["epoch"]] + [row]
            write_text(path, "".join(json.dumps(r) + "\n" for r in rows))
            yield row
    shutil.rmtree(checkpoint, ignore_errors=True)


def measured(trial: Trial, data: Dataset, directory: Path, device: torch.device, extra: dict) -> Iterator[dict]:
    """Measure what results.json lacks; the file is replaced after each measurement."""
    recipe, results = trial.recipe, read_results(directory)
    net = build(recipe, data.train.images.shape[1], data.classes).to(device)
    data = data.to(device)
    rows = read_progress(directory)
    results |= {"key": trial.key, "recipe": recipe.model_dump(mode="json")}
    results["heldout"] = selection.selected(directory) or results.get("heldout")
    seconds = results.setdefault("seconds", {"measure": 0.0})
    seconds["train"] = round(sum(row["seconds"] for row in rows), 3)
    started = {"started": rows[0]["time"]} if rows and "time" in rows[0] else {}
    if any(
        "commit" in row for row in rows
    ):  # a network may have been trained under one commit and measured under another
        started["trained_at"] = list(dict.fromkeys(row.get("commit", "unknown") for row in rows))
    shape, images = tuple(data.train.images.shape[1:]), len(data.train.labels) + recipe.heldout
    results["macs"] = {
        "forward": cost(recipe, shape, data.classes).macs,  # of one image at full width, FiLM included
        "training": training_macs(recipe, shape, data.classes, images),
    }
    results["provenance"] = started | {"finished": provenance.now()} | provenance.hardware(device) | extra
    for what in sorted(missing(trial, directory), key=lambda what: what.surrogate is not None):  # what may wait, last
        if what.surrogate and not (directory.parent / what.surrogate / "weights.safetensors").exists():
            raise DataError(f"{NEEDS} {what.surrogate}, which is still to be trained: measured when it is")
        part, started = data.test.slice(0, what.test_images), time.perf_counter()
        found = []
        for row in asked(net, recipe, directory, part, what):
            found.append(row)
            yield correct_bits.without(row)
        seconds["measure"] = round(seconds["measure"] + time.perf_counter() - started, 3)
        results.setdefault("measurements", {})[what.key] = {"measurement": what.model_dump(mode="json"), "rows": found}
        write_json(directory / "results.json", results)


def committed(extra: dict) -> str:
    """The commit of the checkout that a trial was started from, marked where that had changes of its own."""
    return extra.get("git_commit", "unknown") + ("-dirty" if extra.get("git_dirty") else "")


def asked(net, recipe: Recipe, directory: Path, part, what: Measurement) -> Iterator[dict]:
    """The rows of one measurement."""
    if what.probe == "accuracy":
        for lam in what.lambdas:
            yield at_selected_weights(net, recipe, directory, part, what, lam) | credit(what)
    else:
        selection.load(net, directory)
        yield from PROBES[what.probe](net, part, what, directory)


def at_selected_weights(net, recipe: Recipe, directory: Path, part, what: Measurement, lam: float) -> dict:
    """One row of `accuracy`; SA and RA come from different weights where ledger row 5 is `each`."""
    rows = {}
    for tag in {selection.nearest_tag(metric, lam, recipe, what.width) for metric in ("SA", "RA")}:
        selection.load(net, directory, tag)
        rows[tag] = accuracy(net, part, what, lam)
    sa, ra = (rows[selection.nearest_tag(metric, lam, recipe, what.width)] for metric in ("SA", "RA"))
    return sa | {name: ra[name] for name in ("robust_correct", "robust_hits")}
