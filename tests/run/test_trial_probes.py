"""Trials of slimmable networks, and every probe: killed, gone on with, and asked for later."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench.measures import correct_bits
from bench.run import trial as trial_module
from bench.run.resume import is_unfinished
from bench.run.trial import run_trial
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial
from bench.trial_dir import read_results
from tests.recipes import oat, pgd_at

CPU = torch.device("cpu")
QUICK = {"epochs": 2, "attack_steps": 1, "lambdas": (0.0, 1.0)}


def rows(trial: Trial, directory: Path) -> list[dict]:
    return list(run_trial(trial, directory, directory, CPU, {}))


def all_probes(recipe: Recipe) -> Trial:
    """A trial that is asked for everything at every width."""
    what = []
    for width in recipe.widths or (1.0,):
        images = {"lambdas": recipe.lambdas or (recipe.lam,), "test_images": 20, "width": width}
        what.append(Measurement(epsilon=0.1, step=0.025, **images))
        what.append(Measurement(probe="saliency", images=(0, 3), **images))
        what += [Measurement(probe=probe, width=width) for probe in ("bn_statistics", "cost")]
    return Trial(recipe=recipe, measurements=tuple(what), source="digits")


SLIMMABLE = {
    "oats": oat(**QUICK, widths=(0.5, 1.0)),
    "pgd-ats": pgd_at(0.5, epochs=2, attack_steps=1, widths=(0.5, 1.0)),
}


@pytest.mark.parametrize("recipe", SLIMMABLE.values(), ids=SLIMMABLE)
def test_a_slimmable_trial_that_was_killed_ends_as_if_it_had_not_been(recipe, tmp_path):
    trial = all_probes(recipe)
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    for stop in ("epoch", "branch"):  # after its first epoch, and then while it is measured
        for row in run_trial(trial, disturbed, tmp_path, CPU, {}):
            if stop in row:
                break
    assert not (disturbed / "checkpoint").exists() and is_unfinished(trial, disturbed)
    rows(trial, disturbed)
    rows(trial, undisturbed)
    weights = [(directory / "weights.safetensors").read_bytes() for directory in (disturbed, undisturbed)]
    assert weights[0] == weights[1]
    found, expected = (measured_in(directory) for directory in (disturbed, undisturbed))
    assert found == expected and found.keys() == {what.key for what in trial.measurements}
    maps = {path.name: path.read_bytes() for path in disturbed.glob("saliency-*.safetensors")}
    assert len(maps) == 2
    assert maps == {path.name: path.read_bytes() for path in undisturbed.glob("saliency-*.safetensors")}


def measured_in(directory: Path) -> dict[str, list[dict]]:
    """The rows of each measurement but for their times."""
    found = read_results(directory)["measurements"]
    return {
        key: [{name: value for name, value in row.items() if name != "milliseconds"} for row in one["rows"]]
        for key, one in found.items()
    }


def test_every_probe_s_rows_say_their_width_and_pass_through_json(tmp_path):
    trial = all_probes(SLIMMABLE["oats"])
    found = rows(trial, tmp_path)[2:]  # after the two epochs
    written = read_results(tmp_path)["measurements"]
    assert found == [correct_bits.without(row) for what in trial.measurements for row in written[what.key]["rows"]]
    for what in trial.measurements:
        assert written[what.key]["measurement"] == json.loads(json.dumps(what.model_dump(mode="json")))
        number = {"accuracy": 2, "saliency": 2, "bn_statistics": 2, "cost": 1}[what.probe]
        assert [row["width"] for row in written[what.key]["rows"]] == [what.width] * number


def test_a_probe_asked_for_later_trains_nothing(tmp_path, monkeypatch):
    trial = all_probes(oat(**QUICK))
    first = trial.model_copy(update={"measurements": trial.measurements[:1]})
    assert len(rows(first, tmp_path)) == 2 + 2
    monkeypatch.setattr(trial_module, "train", None)
    assert len(rows(trial, tmp_path)) == 2 + 2 + 1  # saliency, statistics, cost
    assert not is_unfinished(trial, tmp_path)


def test_a_probe_sees_the_selected_network(tmp_path):
    """Not the last epoch's, nor an untrained one."""
    trial = all_probes(oat(**QUICK))
    rows(trial, tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    statistics = next(what for what in trial.measurements if what.probe == "bn_statistics")
    for row in measured_in(tmp_path)[statistics.key]:
        assert row["mean"] == pytest.approx(weights[f"{row['layer']}.bn_{row['branch']}.running_mean"].tolist())
