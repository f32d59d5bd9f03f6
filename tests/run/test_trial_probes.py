"""Trials of slimmable networks and of every probe: interrupted and resumed, and probes added later."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench.measures import correct_bits
from bench.run import trial as trial_module
from bench.run.missing_work import is_unfinished
from bench.run.trial import run_trial
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial
from bench.trial_dir import read_results
from tests.recipes import oat, pgd_at

CPU = torch.device("cpu")
QUICK = {"epochs": 2, "attack_steps": 1, "lambdas": (0.0, 1.0)}


def run_to_end(trial: Trial, directory: Path) -> list[dict]:
    return list(run_trial(trial, directory, directory, CPU, {}))


def all_probes(recipe: Recipe) -> Trial:
    """A trial with every probe that needs no other network, at every width."""
    measurements = []
    for width in recipe.widths or (1.0,):
        images = {"lambdas": recipe.lambdas or (recipe.lam,), "test_images": 20, "width": width}
        measurements.append(Measurement(epsilon=0.1, step=0.025, **images))
        measurements.append(Measurement(probe="saliency", images=(0, 3), **images))
        measurements += [Measurement(probe=probe, width=width) for probe in ("bn_statistics", "cost")]
    return Trial(recipe=recipe, measurements=tuple(measurements), source="digits")


SLIMMABLE = {
    "oats": oat(**QUICK, widths=(0.5, 1.0)),
    "pgd-ats": pgd_at(0.5, epochs=2, attack_steps=1, widths=(0.5, 1.0)),
}


@pytest.fixture(scope="module", params=SLIMMABLE.values(), ids=SLIMMABLE)
def finished(request, tmp_path_factory) -> tuple[Trial, Path, list[dict]]:
    """(a slimmable trial with all probes, its directory, its rows)."""
    trial, directory = all_probes(request.param), tmp_path_factory.mktemp("finished") / "trial"
    return trial, directory, run_to_end(trial, directory)


def test_an_interrupted_slimmable_trial_ends_like_an_uninterrupted_one(finished, tmp_path):
    trial, uninterrupted, _ = finished
    interrupted = tmp_path / "interrupted"
    for stop in ("epoch", "branch"):  # after the first epoch, and then while measuring
        for row in run_trial(trial, interrupted, tmp_path, CPU, {}):
            if stop in row:
                break
    assert not (interrupted / "checkpoint").exists() and is_unfinished(trial, interrupted)
    run_to_end(trial, interrupted)
    weights = [(directory / "weights.safetensors").read_bytes() for directory in (interrupted, uninterrupted)]
    assert weights[0] == weights[1]
    resumed, expected = (measured_rows(directory) for directory in (interrupted, uninterrupted))
    assert resumed == expected and resumed.keys() == {measurement.key for measurement in trial.measurements}
    maps = {path.name: path.read_bytes() for path in interrupted.glob("saliency-*.safetensors")}
    assert len(maps) == 2
    assert maps == {path.name: path.read_bytes() for path in uninterrupted.glob("saliency-*.safetensors")}


def measured_rows(directory: Path) -> dict[str, list[dict]]:
    """{measurement key: its rows without their times}."""
    return {
        key: [{name: value for name, value in row.items() if name != "milliseconds"} for row in entry["rows"]]
        for key, entry in read_results(directory)["measurements"].items()
    }


def test_every_probe_s_rows_say_their_width_and_pass_through_json(finished):
    trial, directory, rows = finished
    written = read_results(directory)["measurements"]
    assert rows[2:] == [
        correct_bits.without(row) for m in trial.measurements for row in written[m.key]["rows"]
    ]  # after two epochs
    for measurement in trial.measurements:
        entry = written[measurement.key]
        assert entry["measurement"] == json.loads(json.dumps(measurement.model_dump(mode="json")))
        branches = 2 if trial.recipe.norm == "dual" else 1
        number = {"bn_statistics": branches, "cost": 1}.get(measurement.probe, len(measurement.lambdas))
        assert [row["width"] for row in entry["rows"]] == [measurement.width] * number


def test_a_probe_added_later_trains_nothing_and_sees_the_selected_network(tmp_path, monkeypatch):
    """Neither the last epoch's network nor an untrained one."""
    trial = all_probes(oat(**QUICK))
    first = trial.model_copy(update={"measurements": trial.measurements[:1]})
    assert len(run_to_end(first, tmp_path)) == 2 + 2
    monkeypatch.setattr(trial_module, "train", None)
    assert len(run_to_end(trial, tmp_path)) == 2 + 2 + 1  # saliency, statistics, cost
    assert not is_unfinished(trial, tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    statistics = next(m for m in trial.measurements if m.probe == "bn_statistics")
    for row in measured_rows(tmp_path)[statistics.key]:
        assert row["mean"] == pytest.approx(weights[f"{row['layer']}.bn_{row['branch']}.running_mean"].tolist())
