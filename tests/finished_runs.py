"""A tiny finished runs directory, written by the suite's own writers with made-up numbers: nothing is trained."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from safetensors.numpy import save_file

from bench import trial_manifest
from bench.measures import correct_bits
from bench.run.execution_plan import ExecutionPlan
from bench.run.plan_files import write_plan
from bench.run.request import Request
from bench.spec.measurement import Measurement
from bench.spec.trial import Trial
from bench.tracking.mlflow_run_record import EMBEDDED_URI, write_index_record

N = 40  # test images
COST = SimpleNamespace(macs=1000, parameters=1000, activations=1000)  # in place of counting a network's
SUITE = """suite: {name}
about: two networks
experiments:
  svhn:
    figures: [fig4]
    dataset: svhn
    networks:
      - {{method: pgd_at, lam: [0.0, 0.3]}}
    measure:
      - {{attack: pgd7, lambdas: [0.0, 0.3]}}
      - {{probe: saliency, lambdas: [0.0, 0.3], images: [0, 1]}}
"""


def write_runs(folder: Path, monkeypatch) -> Path:
    """Two plans of the same two networks in `folder/runs`; the first network is finished, the second half trained."""
    monkeypatch.setattr("bench.run.image_pass_timing.time_image_pass", lambda *_: 1e-5)
    monkeypatch.setattr("bench.measures.cost.cost", lambda *_: COST)
    monkeypatch.setattr("bench.measures.cost.parameter_count", lambda *_: COST.parameters)
    for name in ("first", "second"):
        (folder / f"{name}.yaml").write_text(SUITE.format(name=name), "utf-8")
        plan = ExecutionPlan.of(request(folder, name))
        write_plan(plan.plans[0], folder / "runs", f"python -m bench run {name}.yaml")
    write_finished(plan.directory(plan.trials[0]), plan.trials[0])
    write_started(plan.directory(plan.trials[1]), plan.trials[1])
    (folder / "runs" / "id").write_text("0123456789ab\n")
    _ = plan.costs  # writes machine.json
    return folder / "runs"


def request(folder: Path, name: str = "first") -> Request:
    """What `plan` and `run` are asked: the suite at scale smoke with one seed."""
    return Request((folder / f"{name}.yaml",), "smoke", (), (), 1, (), folder / "runs", folder / "data", 1, None)


def write_finished(directory: Path, trial: Trial) -> None:
    """A trial with all its measurements, in the index of MLflow."""
    key, recipe = trial.key, trial.recipe.model_dump(mode="json")
    write_progress(directory, trial, trial.recipe.epochs)
    write_tensors(directory, "weights.safetensors", key, {"about": json.dumps({"recipe": recipe})})
    measurements = {}
    for measurement in trial.measurements:
        rows = [row_of(measurement, lam, key) for lam in measurement.lambdas]
        if measurement.probe == "saliency":
            write_tensors(directory, f"saliency-{measurement.key}.safetensors", key)
        measurements[measurement.key] = {"measurement": measurement.model_dump(mode="json"), "rows": rows}
    results = {"key": key, "recipe": recipe, "heldout": {"score": 0.7, "epoch": 2}}
    results |= {"seconds": {"train": 3.0, "measure": 1.0}, "macs": {"forward": 1000, "training": 10**9}}
    provenance = {"finished": "2026-11-20T10:00:00+00:00", "git_commit": "c" * 40, "git_dirty": False}
    results |= {"provenance": provenance, "measurements": measurements}
    trial_manifest.write_json(directory, "results.json", results, key)
    record = {"uri": EMBEDDED_URI, "experiment_id": "1", "run_id": "r" * 32, "measurements": list(measurements)}
    write_index_record(directory, record | {"tags": {"suite": "first"}})


def write_started(directory: Path, trial: Trial) -> None:
    """A trial that was killed after its second epoch."""
    write_progress(directory, trial, 2)
    write_tensors(directory, "checkpoint/state.safetensors", trial.key, {"state": '{"epoch": 2, "best": {}}'})


def write_progress(directory: Path, trial: Trial, epochs: int) -> None:
    recipe = trial.recipe
    trial_manifest.write_json(directory, "recipe.json", recipe.model_dump(mode="json"), trial.key)
    common = {
        "epochs": recipe.epochs,
        "loss": int(trial.key, 16) / 2**64,
        "lr": 0.1,
        "seconds": 1.0,
        "commit": "c" * 40,
    }
    rows = [{"epoch": epoch + 1} | common for epoch in range(epochs)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    trial_manifest.write_text(directory, "progress.jsonl", lines, trial.key)


def write_tensors(directory: Path, name: str, key: str, metadata: dict | None = None) -> None:
    """A safetensors file whose content depends on the key."""
    values = np.random.default_rng(int(key, 16)).normal(size=(4, 4)).astype(np.float32)
    with trial_manifest.recorded(directory, name, key) as temporary:
        save_file({"values": values}, temporary, metadata)


def row_of(measurement: Measurement, lam: float, key: str) -> dict:
    row = {"lam": lam, "width": 1.0, "n": N}
    if measurement.probe == "saliency":
        return row | {"alignment": 0.5, "alignment_sd": 0.1, "file": f"saliency-{measurement.key}.safetensors"}
    counts = {"clean_correct": 30 + int(key[0], 16) % 8, "robust_correct": 10 + int(key[1], 16)}
    hits = {name: correct_bits.encode(np.arange(N) < counts[count]) for name, count in correct_bits.COLUMNS.items()}
    return row | {"attack": "pgd7"} | counts | hits
