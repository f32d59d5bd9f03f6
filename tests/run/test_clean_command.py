"""`clean` frees what is not needed, and nothing else."""

import io
import shutil

import pytest
from rich.console import Console

from bench.damaged_files import set_aside
from bench.errors import BadInput
from bench.run.clean_command import KINDS, clean, find_removable
from bench.run.driver_lock import driver_lock
from bench.run.repair import directory_lock
from bench.run.status_command import planned_networks, state_of
from bench.stored_plans import read_plans
from tests.finished_runs import write_runs, write_tensors


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A finished and a half trained network of two plans; and of each kind, something that can go."""
    runs = write_runs(tmp_path, monkeypatch)
    finished, training = finished_and_training(runs)
    write_tensors(finished, "checkpoint/state.safetensors", finished.name)  # a kill came before it was deleted
    (finished / "progress.12.tmp").write_text("half")
    (training / "results.json.damaged-2").write_text("damaged" * 1000)
    (runs / "oat-bench-1a2b" / "plans").mkdir(parents=True)  # of an import that was killed
    (runs / "mlflow.db").touch()
    (runs / "ray-logs").mkdir()
    (runs / "ray-logs" / "raylet.out").write_text("log")
    shutil.copytree(finished, runs / "trials" / ("e" * 16))
    return runs


def finished_and_training(runs):
    """The directories of the two planned networks."""
    trials = runs / "trials"
    networks = planned_networks(read_plans(runs)[0])
    states = {state_of(trials / n["key"], n["measurements"])["state"]: trials / n["key"] for n in networks}
    return states["finished"], states["training"]


def run(runs, kinds=(), ask=lambda question: True) -> str:
    out = Console(file=io.StringIO(), width=60, markup=False)
    clean(runs, list(kinds), out, ask)
    return out.file.getvalue()


def content(folder, without=()) -> dict:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in ("lock", *without)]
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def test_each_kind_goes_and_finished_and_unfinished_work_of_plans_stays(runs):
    finished, training = finished_and_training(runs)
    kept = {folder: content(folder, ("manifest.json",)) for folder in (finished, training, runs / "plans")}
    asked = []
    text = run(runs, KINDS, ask=lambda question: asked.append(question) or True)
    assert len(asked) == len(KINDS) and all(
        f"({kind})" in question for kind, question in zip(KINDS, asked, strict=True)
    )
    assert "results.json.damaged-2  7.0 kB" in text and "trials/eeeeeeeeeeeeeeee" in text
    assert "MLflow forgets them when mlflow.db is deleted: python -m bench ingest" in " ".join(text.split())
    assert not (finished / "checkpoint").exists() and (training / "checkpoint" / "state.safetensors").exists()
    assert not (runs / "ray-logs").exists() and not (runs / "trials" / ("e" * 16)).exists()
    gone = {"progress.12.tmp", "results.json.damaged-2", "state.safetensors"}
    for folder, before in kept.items():
        after = content(folder, ("manifest.json",))
        assert after.items() <= before.items() and {path.name for path in before.keys() - after.keys()} <= gone
    assert (training / "checkpoint") in {path.parent for path in training.rglob("state.safetensors")}
    assert finished_and_training(runs) == (finished, training)  # their files are sound
    assert run(runs, KINDS) == "nothing can go\n"


def test_nothing_goes_without_a_yes(runs):
    before = content(runs)
    assert "trials/eeeeeeeeeeeeeeee" in run(runs, KINDS, ask=lambda question: False)
    assert content(runs) == before


def test_trials_of_no_plan_go_only_where_they_are_named(runs):
    """A plan with fewer seeds replaces that with more, whose networks then are of no plan."""
    run(runs)
    assert not (runs / "ray-logs").exists() and (runs / "trials" / ("e" * 16)).exists()


def test_a_trial_s_directory_may_be_a_link(runs, tmp_path):
    finished, _ = finished_and_training(runs)
    finished.rename(tmp_path / "elsewhere")
    finished.symlink_to(tmp_path / "elsewhere")
    with directory_lock(finished):
        assert f"kept {finished / 'checkpoint'}: a trial is running there" in run(runs)
    run(runs)
    assert not (finished / "checkpoint").exists() and finished_and_training(runs)[0] == finished


def test_only_the_kinds_that_are_named_are_asked_for(runs):
    run(runs, ["ray-logs"])
    assert not (runs / "ray-logs").exists() and (runs / "trials" / ("e" * 16)).exists()
    with pytest.raises(BadInput, match="did you mean 'unplanned'"):
        run(runs, ["unplaned"])


def test_nothing_goes_while_a_command_runs(runs):
    before = content(runs)
    with driver_lock(runs), pytest.raises(BadInput, match="another command is running trials"):
        run(runs)
    assert content(runs) == before


def test_a_directory_in_which_a_trial_runs_is_kept(runs):
    unplanned = runs / "trials" / ("e" * 16)
    with directory_lock(unplanned):
        assert f"kept {unplanned}: a trial is running there" in run(runs, ["unplanned"])
    assert (unplanned / "results.json").exists()


def test_trials_of_no_plan_stay_where_plans_are_damaged_or_absent(runs):
    plan = next((runs / "plans").glob("first-*.json"))
    plan.write_text("{}")
    assert "trials of no plan are kept: a plan is damaged" in run(runs, ["unplanned"])
    set_aside(plan)
    assert find_removable(runs)[0]["unplanned"] == []
    shutil.rmtree(runs / "plans")
    assert "all trials are kept: no plan is here" in run(runs, ["unplanned"])
    assert (runs / "trials" / ("e" * 16) / "results.json").exists()


def test_a_link_is_removed_and_what_it_leads_to_stays(runs, tmp_path):
    target = tmp_path / "elsewhere"
    shutil.move(runs / "trials" / ("e" * 16), target)
    (runs / "trials" / ("e" * 16)).symlink_to(target)
    run(runs, ["unplanned"])
    assert not (runs / "trials" / ("e" * 16)).is_symlink() and (target / "results.json").exists()


def test_a_checkpoint_stays_where_the_weights_are_damaged(runs):
    finished, _ = finished_and_training(runs)
    (finished / "weights.safetensors").write_bytes(b"damaged")
    run(runs)
    assert (finished / "checkpoint" / "state.safetensors").exists()


def test_a_folder_that_is_no_runs_directory_is_refused(tmp_path):
    (tmp_path / "notes.damaged").touch()
    with pytest.raises(BadInput, match="is no runs directory"):
        run(tmp_path)
    assert (tmp_path / "notes.damaged").exists()
