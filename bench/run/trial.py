"""Run one trial in one directory: train, then measure. Needs torch alone, neither Ray nor MLflow.

Resumes from what the directory holds; bench/trial_dir.py lists its files.
"""

import itertools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from bench import trial_manifest
from bench.atomic_write import remove_leftovers
from bench.damaged_files import Damaged
from bench.data import DataError, Dataset, describe, load
from bench.engines import Engine, engine_for
from bench.engines.precision import use_ieee_fp32
from bench.errors import NotFinite
from bench.measures import correct_bits
from bench.measures.accuracy import accuracy
from bench.measures.blended_accuracy import blended_accuracy
from bench.measures.cost import cost, training_macs
from bench.models import build
from bench.run import provenance
from bench.run.gpu_memory import out_of_memory_line
from bench.run.missing_work import SURROGATE_UNTRAINED, has_sound_weights, has_weights, missing_measurements
from bench.run.repair import directory_lock, put_aside, repair
from bench.spec.autoattack_package import Unavailable
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.registry import ATTACKS, PROBES, resolve
from bench.spec.trial import Trial
from bench.training import checkpoint, checkpoint_selection
from bench.training.loop import TrainingFailed, train
from bench.trial_dir import load_recipe, read_progress, read_results, undamaged, write_failure

MAX_DAMAGES = 10  # found while training and measuring, before the trial is given up


def run_trial(
    trial: Trial, directory: Path, data_root: Path, device: torch.device, code_version: dict
) -> Iterator[dict]:
    """Train and measure what the directory lacks, holding a lock on it. A finished trial yields nothing.

    Yields a row per finished epoch ({"epoch", …}, see training.loop), per measured λ ({"lam", …}), and per damaged file
    ({"set_aside": text}), which is set aside and made anew.
    `code_version` ({"git_commit", "git_dirty", …}) is stored with the provenance. A TrainingFailed, DataError,
    Unavailable, NotFinite or OutOfMemoryError, which a retry would only repeat, is written to failure.json and yielded
    as {"failed": reason}.
    """
    use_ieee_fp32()
    with directory_lock(directory):
        remove_leftovers(directory)
        recipe, damages = trial.recipe, 0
        owner = owner_key(directory)
        if owner not in (None, recipe.key) and directory.name != recipe.key:
            raise DataError(f"{directory} holds another network than this recipe's: choose another directory")
        yield from ({"set_aside": line} for line in repair(directory, recipe))
        (directory / "failure.json").unlink(missing_ok=True)
        while not (has_weights(directory) and not missing_measurements(trial, directory)):
            try:
                yield from train_and_measure(trial, directory, data_root, device, code_version)
            except Damaged as damage:
                damages += 1
                if damages > MAX_DAMAGES or not damage.path.is_relative_to(directory):
                    raise
                yield {"set_aside": put_aside(directory, damage)}
                continue
            except (TrainingFailed, DataError, Unavailable, NotFinite) as error:
                reason = str(error)
            except torch.OutOfMemoryError as error:
                reason = out_of_memory_line(error)
            else:
                return
            write_failure(directory, reason, "progress.jsonl")
            yield {"failed": reason}
            return


def owner_key(directory: Path) -> str | None:
    """The key of the network that the directory holds, or None."""
    manifest, recipe = trial_manifest.usable(directory), undamaged(load_recipe, directory)
    return manifest.key if manifest else recipe.key if recipe else None


def train_and_measure(
    trial: Trial, directory: Path, data_root: Path, device: torch.device, code_version: dict
) -> Iterator[dict]:
    """Train and measure what the directory lacks. Yields rows as `run_trial`; raises what it writes to failure.json."""
    recipe = trial.recipe
    if describe(trial.source, data_root).fingerprint != recipe.data_hash:
        raise DataError(f"{trial.source} has changed since it was planned: run the command again")
    split = {"heldout": recipe.heldout, "train_images": recipe.train_images, "pool": recipe.pool}
    data = load(trial.source, root=data_root, **split)
    yield from train_network(recipe, data, directory, device, code_version)
    yield from ({"set_aside": line} for line in repair(directory, recipe))  # results of weights that were made anew
    yield from measure_network(trial, data, directory, device, code_version)


def train_network(
    recipe: Recipe, data: Dataset, directory: Path, device: torch.device, code_version: dict
) -> Iterator[dict]:
    """Train unless weights.safetensors exists. progress.jsonl lists each epoch once, in order, with its commit."""
    if not has_weights(directory):
        if recipe.start:
            require_weights(directory.parent, recipe.start.key)
        rows = read_progress(directory, recipe.key)
        last_row = checkpoint.last_row(directory, recipe.key)
        lost = [last_row] if last_row and last_row["epoch"] == len(rows) + 1 else []  # by a kill after the checkpoint
        for row in itertools.chain(lost, train(recipe, data, directory, device)):
            row |= {"time": provenance.now(), "commit": commit_label(code_version)}
            rows = [earlier for earlier in rows if earlier["epoch"] < row["epoch"]] + [row]
            lines = "".join(json.dumps(r) + "\n" for r in rows)
            trial_manifest.write_text(directory, "progress.jsonl", lines, recipe.key)
            yield row
    trial_manifest.forget(directory, checkpoint.FILE)
    shutil.rmtree(directory / "checkpoint", ignore_errors=True)


def measure_network(
    trial: Trial, data: Dataset, directory: Path, device: torch.device, code_version: dict
) -> Iterator[dict]:
    """Take the measurements that results.json lacks; the file is replaced after each one."""
    recipe = trial.recipe
    net = build(recipe, data.train.images.shape[1], data.classes).to(device)
    engine, data = engine_for(net, device), data.to(device)
    results = results_before_measuring(recipe, data, directory, provenance.hardware(device, engine.name) | code_version)
    missing = missing_measurements(trial, directory)
    for measurement in sorted(missing, key=lambda m: m.surrogate is not None):  # what may have to wait comes last
        if measurement.surrogate:
            require_weights(directory.parent, measurement.surrogate)
        test_images, started = data.test.slice(0, measurement.test_images), time.perf_counter()
        rows = []
        for row in measurement_rows(engine, data, directory, test_images, measurement):
            rows.append(row)
            yield correct_bits.without(row)
        seconds = results["seconds"]
        seconds["measure"] = round(seconds["measure"] + time.perf_counter() - started, 3)
        entry = {"measurement": measurement.model_dump(mode="json"), "rows": rows}
        results.setdefault("measurements", {})[measurement.key] = entry
        trial_manifest.write_json(directory, "results.json", results, recipe.key)


def require_weights(trials: Path, key: str) -> None:
    """Raise DataError unless the network is trained and its weights are undamaged."""
    if not has_sound_weights(trials, key):
        raise DataError(f"{SURROGATE_UNTRAINED} {key}, which is not trained yet")


def results_before_measuring(recipe: Recipe, data: Dataset, directory: Path, machine_and_code: dict) -> dict:
    """results.json as it stands, with the facts of the trained network brought up to date."""
    results, epochs = read_results(directory, recipe.key), read_progress(directory, recipe.key)
    results |= {"key": recipe.key, "recipe": recipe.model_dump(mode="json")}
    results["heldout"] = checkpoint_selection.selected(directory) or results.get("heldout")
    seconds = results.setdefault("seconds", {"train": 0.0, "measure": 0.0})
    if epochs:
        seconds["train"] = round(sum(row["seconds"] for row in epochs), 3)
    shape, train_images = tuple(data.train.images.shape[1:]), len(data.train.labels) + recipe.heldout
    results["macs"] = {
        "forward": cost(recipe, shape, data.classes).macs,  # of one image at full width, FiLM included
        "training": training_macs(recipe, shape, data.classes, train_images),
    }
    earlier = results.get("provenance", {})
    training = {name: earlier[name] for name in ("started", "trained_at") if name in earlier}
    precisions = {"training_precision": recipe.precision, "evaluation_precision": "fp32"}
    if epochs:  # a training that was resumed may have run at several commits, and measuring at yet another
        commits = dict.fromkeys(row["commit"] for row in epochs)
        training = {"started": epochs[0]["time"], "trained_at": list(commits)}
    results["provenance"] = training | precisions | {"finished": provenance.now()} | machine_and_code
    return results


def commit_label(code_version: dict) -> str:
    """The commit that the trial was started from, marked "-dirty" where the checkout had uncommitted changes."""
    return code_version.get("git_commit", "unknown") + ("-dirty" if code_version.get("git_dirty") else "")


def measurement_rows(
    engine: Engine, data: Dataset, directory: Path, test_images, measurement: Measurement
) -> Iterator[dict]:
    """Take one measurement, row by row, on the network's selected weights. data: as blends take it."""
    if measurement.blend:
        checkpoint_selection.load(engine.net, directory)
        for row in blended_accuracy(engine, data, test_images, measurement, directory):
            yield row | ATTACKS[measurement.attack].credit()
    elif measurement.probe == "accuracy":
        for lam in measurement.lambdas:
            row = accuracy_of_selected_weights(engine, engine.net.recipe, directory, test_images, measurement, lam)
            yield row | ATTACKS[measurement.attack].credit()
    else:
        checkpoint_selection.load(engine.net, directory)
        yield from resolve(PROBES[measurement.probe])(engine, test_images, measurement, directory)


def accuracy_of_selected_weights(
    engine: Engine, recipe: Recipe, directory: Path, test_images, measurement: Measurement, lam: float, examples=None
) -> dict:
    """One row of `accuracy`. SA and RA come from different weights where ledger row 5 is `each`."""
    rows = {}
    for tag in {checkpoint_selection.nearest_tag(metric, lam, recipe, measurement.width) for metric in ("SA", "RA")}:
        checkpoint_selection.load(engine.net, directory, tag)
        rows[tag] = accuracy(engine, test_images, measurement, lam, examples=examples)
    sa, ra = (rows[checkpoint_selection.nearest_tag(metric, lam, recipe, measurement.width)] for metric in ("SA", "RA"))
    return sa | {name: ra[name] for name in ("robust_correct", "robust_hits")}
