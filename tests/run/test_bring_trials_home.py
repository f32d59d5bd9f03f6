"""Trials brought from one directory to another, on made-up ones."""

import json
import shutil

import pytest

from bench import trial_manifest
from bench.errors import BadInput
from bench.run.bring_trials_home import bring_home
from bench.run.execution_plan import ExecutionPlan
from bench.run.job_array_files import write_trial_files
from bench.run.repair import directory_lock
from bench.stored_plans import read_plans
from bench.trial_dir import damaged_files, read_failure, read_progress, read_results, write_failure
from tests.finished_runs import request, write_runs


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """(folder `away` with two plans, its finished trial, its trial in training)."""
    runs = write_runs(tmp_path, monkeypatch)
    shutil.copytree(runs, tmp_path / "away")
    finished, started = ExecutionPlan.of(request(tmp_path)).trials
    return tmp_path / "away", finished.key, started.key


def contents(directory) -> dict[str, bytes]:
    names = trial_manifest.read(directory).files
    return {name: (directory / name).read_bytes() for name in names}


def change_results(directory, key, change) -> None:
    results = read_results(directory, key)
    change(results["measurements"])
    trial_manifest.write_json(directory, "results.json", results, key)


def test_a_fresh_directory_gets_trials_and_plans(trials, tmp_path):
    away, *keys = trials
    write_failure(away / "trials" / keys[1], "no reason", "progress.jsonl")
    lines = bring_home(away, tmp_path / "fresh")
    assert lines == [f"{away}: 2 networks brought to {tmp_path / 'fresh'}"]
    for key in keys:
        ours, theirs = (runs / "trials" / key for runs in (tmp_path / "fresh", away))
        assert contents(ours) == contents(theirs) and not list(damaged_files(ours, key))
        assert not (ours / "mlflow.json").exists()  # its run is in the index of the other directory
    assert read_failure(tmp_path / "fresh" / "trials" / keys[1], keys[1]) == "no reason"
    assert read_plans(tmp_path / "fresh") == read_plans(away)
    assert bring_home(away, tmp_path / "fresh") == lines  # again: nothing is lost or doubled
    assert contents(tmp_path / "fresh" / "trials" / keys[0]) == contents(away / "trials" / keys[0])


def test_a_single_trial_s_directory_is_enough(trials, tmp_path):
    away, key, _ = trials
    (away / "trials" / key).rename(tmp_path / "out")
    bring_home(tmp_path / "out", tmp_path / "fresh")
    assert read_results(tmp_path / "fresh" / "trials" / key, key)


def test_a_trained_network_replaces_one_in_training_and_not_the_reverse(trials, tmp_path):
    away, key, started = trials
    home = tmp_path / "runs" / "trials"
    shutil.rmtree(home / key)
    shutil.copytree(home / started, home / key)  # of the same length as a training of this network
    shutil.rmtree(home / key / "checkpoint")
    for name in ("manifest.json", "recipe.json", "progress.jsonl"):
        (home / key / name).unlink()
    rows = read_progress(away / "trials" / key, key)[:1]
    trial_manifest.write_text(home / key, "progress.jsonl", json.dumps(rows[0]) + "\n", key)
    bring_home(away, tmp_path / "runs")
    finished = contents(home / key)
    assert finished == contents(away / "trials" / key)
    half = tmp_path / "half"
    trial_manifest.write_text(half, "progress.jsonl", json.dumps(rows[0]) + "\n", key)
    shutil.copy(away / "trials" / key / "recipe.json", half)
    trial_manifest.write_text(half, "recipe.json", (half / "recipe.json").read_text(), key)
    bring_home(half, tmp_path / "runs")
    assert contents(home / key) == finished


def test_measurements_of_the_same_weights_are_added(trials, tmp_path):
    away, key, _ = trials
    home = tmp_path / "runs" / "trials" / key
    names = list(read_results(home, key)["measurements"])
    change_results(home, key, lambda measured: measured.pop(names[0]))
    change_results(away / "trials" / key, key, lambda measured: measured.pop(names[1]))
    bring_home(away, tmp_path / "runs")
    assert set(read_results(home, key)["measurements"]) == set(names)


def test_measurements_of_other_weights_are_left_out(trials, tmp_path):
    away, key, _ = trials
    home = tmp_path / "runs" / "trials" / key
    with trial_manifest.recorded(home, "weights.safetensors", key) as temporary:
        temporary.write_bytes((home / "weights.safetensors").read_bytes()[:-1] + b"x")
    (home / "results.json").unlink()
    trial_manifest.forget(home, "results.json")
    before = contents(home)
    lines = bring_home(away, tmp_path / "runs")
    assert any("measurements are of other weights" in line for line in lines) and contents(home) == before


def test_a_running_trial_is_left_out(trials, tmp_path):
    away, key, _ = trials
    with directory_lock(away / "trials" / key):
        lines = bring_home(away, tmp_path / "fresh")
    assert "the trial is running there" in lines[0]
    assert not read_results(tmp_path / "fresh" / "trials" / key, key)


def test_a_damaged_file_is_named_and_stays_behind(trials, tmp_path):
    away, key, _ = trials
    (away / "trials" / key / "results.json").write_text("{")
    lines = bring_home(away, tmp_path / "fresh")
    assert "results.json is damaged" in lines[0]
    ours = tmp_path / "fresh" / "trials" / key
    assert not (ours / "results.json").exists() and (ours / "weights.safetensors").exists()


def test_a_folder_without_trials_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no trial was run there"):
        bring_home(tmp_path, tmp_path / "fresh")


def files_outside(folder, part: str) -> set:
    """All paths of a folder, without those below `part`, and without locks and files that were set aside."""
    paths = folder.rglob("*")
    return {path for path in paths if part not in path.parts and path.name != "lock" and path.suffix != ".damaged"}


@pytest.mark.parametrize("name", ["../../../x.py", "/tmp/x.py", "checkpoint/../../x.py", "a/b", "..", ""])
def test_a_manifest_that_names_files_elsewhere_is_damaged(trials, tmp_path, name):
    away, key, _ = trials
    directory = away / "trials" / key
    manifest = trial_manifest.read(directory)
    manifest.files[name] = [trial_manifest.checksum(b"x")]
    trial_manifest.write(directory, manifest)
    before = files_outside(tmp_path, "fresh")
    lines = bring_home(away, tmp_path / "fresh")
    assert "manifest.json is damaged" in lines[0]
    assert files_outside(tmp_path, "fresh") <= before
    assert {path.name for path in (tmp_path / "fresh").iterdir()} == {"plans", "trials"}


def test_a_link_is_not_followed(trials, tmp_path):
    away, key, _ = trials
    weights = away / "trials" / key / "weights.safetensors"
    weights.rename(tmp_path / "private")
    weights.symlink_to(tmp_path / "private")
    bring_home(away, tmp_path / "fresh")
    assert not (tmp_path / "fresh" / "trials" / key / "weights.safetensors").exists()


def test_an_earlier_failure_does_not_replace_what_came_after(trials, tmp_path):
    away, key, _ = trials
    change_results(away / "trials" / key, key, lambda measured: measured.popitem())
    write_failure(away / "trials" / key, "out of memory", "progress.jsonl")
    for _ in range(2):
        bring_home(away, tmp_path / "runs")
        assert read_failure(tmp_path / "runs" / "trials" / key, key) is None
    bring_home(away, tmp_path / "fresh")
    assert read_failure(tmp_path / "fresh" / "trials" / key, key) == "out of memory"


def test_a_running_trial_is_not_given_to_a_job_array(trials, tmp_path):
    plan = ExecutionPlan.of(request(tmp_path))
    with directory_lock(tmp_path / "runs" / "trials" / trials[2]), pytest.raises(BadInput, match="is being trained"):
        write_trial_files(plan, tmp_path / "jobs", "plan")
