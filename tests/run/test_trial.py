"""One trial in one directory: its files, resuming, damaged files, and failures."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench import trial_manifest
from bench.attacks.pgd import pgd
from bench.data import DataError
from bench.engines.eager import EagerEngine
from bench.measures import correct_bits
from bench.measures.cost import cost
from bench.run import trial as trial_module
from bench.run.missing_work import is_unfinished
from bench.run.trial import run_trial
from bench.spec.costs import training_passes
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import Protocol
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial
from bench.training import checkpoint_selection
from bench.trial_dir import load_failure, read_failure, read_progress, read_results, write_failure
from tests.recipes import oat, pgd_at

CPU = torch.device("cpu")
QUICK = {"epochs": 2, "attack_steps": 1, "lambdas": (0.0, 1.0)}


def accuracy_trial(recipe: Recipe, *epsilons: float) -> Trial:
    """A trial that measures accuracy at each ε, 0.1 if none is given."""
    common = {"lambdas": recipe.lambdas or (recipe.lam,), "test_images": 30}
    measurements = [Measurement(epsilon=epsilon, step=epsilon / 4, **common) for epsilon in epsilons or (0.1,)]
    return Trial(recipe=recipe, measurements=tuple(measurements), source="digits")


def run_to_end(trial: Trial, directory: Path) -> list[dict]:
    return list(run_trial(trial, directory, directory, CPU, {"git_commit": "abc"}))


@pytest.fixture
def no_training(monkeypatch):
    """Makes any further training fail the test."""

    def train(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(trial_module, "train", train)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Trial, Path, list[dict]]:
    """(trial, its directory, its rows) of a finished trial."""
    trial, directory = accuracy_trial(oat(**QUICK)), tmp_path_factory.mktemp("whole")
    return trial, directory, run_to_end(trial, directory)


@pytest.fixture
def finished(whole, tmp_path):
    """A finished trial, in tmp_path."""
    shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)
    return whole[0]


def test_a_finished_trial_s_directory(whole):
    trial, directory, rows = whole
    assert [row.get("epoch") for row in rows] == [1, 2, None, None]
    assert [row["lam"] for row in rows[2:]] == [0.0, 1.0]
    names = {path.name for path in directory.iterdir()}
    assert names == {"recipe.json", "progress.jsonl", "weights.safetensors", "results.json", "manifest.json", "lock"}
    assert Recipe.model_validate_json((directory / "recipe.json").read_text()) == trial.recipe
    assert read_progress(directory) == rows[:2]
    results = read_results(directory)
    assert results["key"] == trial.key and results["provenance"]["git_commit"] == "abc"
    precisions = {"training_precision": "fp32", "evaluation_precision": "fp32"}
    assert precisions.items() <= results["provenance"].items()
    counted = cost(trial.recipe, (1, 8, 8), 10)
    assert results["macs"] == {"forward": counted.macs, "training": counted.macs * training_passes(trial.recipe, 1347)}
    assert results["measurements"].keys() == {trial.measurements[0].key}
    stored_rows = results["measurements"][trial.measurements[0].key]["rows"]
    assert [correct_bits.without(row) for row in stored_rows] == rows[2:]
    assert all(correct_bits.decode(row["robust_hits"], 30).sum() == row["robust_correct"] for row in stored_rows)
    best = max((row for row in rows[:2] if "score" in row), key=lambda row: row["score"])
    assert results["heldout"] == {"score": best["score"], "epoch": best["epoch"]}
    assert not is_unfinished(trial, directory)


def test_a_finished_trial_reads_yields_and_writes_nothing(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(trial_module, "load", None)
    before = (tmp_path / "results.json").read_bytes(), (tmp_path / "weights.safetensors").stat().st_mtime_ns
    assert run_to_end(finished, tmp_path) == []
    assert before == ((tmp_path / "results.json").read_bytes(), (tmp_path / "weights.safetensors").stat().st_mtime_ns)


def test_a_measurement_added_later_trains_nothing(finished, tmp_path, no_training):
    first = read_results(tmp_path)
    more = accuracy_trial(finished.recipe, 0.1, 0.2)
    assert is_unfinished(more, tmp_path)
    assert [row["lam"] for row in run_to_end(more, tmp_path)] == [0.0, 1.0]
    results = read_results(tmp_path)
    assert results["measurements"].keys() == {measurement.key for measurement in more.measurements}
    assert results["heldout"] == first["heldout"] and results["seconds"]["train"] == first["seconds"]["train"]
    key = finished.measurements[0].key
    assert results["measurements"][key] == first["measurements"][key]


@pytest.mark.parametrize("damage", [b"", b'{"key": "x", "meas', b"[]", b"null", b"\xff\xfe\x00garbage"])
def test_damaged_results_are_measured_again(finished, tmp_path, damage, no_training):
    first = read_results(tmp_path)
    (tmp_path / "results.json").write_bytes(damage)
    set_aside, *rows = run_to_end(finished, tmp_path)
    assert "results.json is damaged" in set_aside["set_aside"] and len(rows) == 2
    assert (tmp_path / "results.json.damaged").read_bytes() == damage
    results = read_results(tmp_path)
    assert results["measurements"] == first["measurements"] and results["heldout"] == first["heldout"]


@pytest.mark.parametrize("damage", [b"", b'{"epoch": 1, "lo', b"\xff\xfe\x00", b"7\n", b"null\n", b'{"loss": 1}\n'])
def test_a_damaged_progress_file_does_not_change_measurements(finished, tmp_path, damage, no_training):
    first = read_results(tmp_path)
    (tmp_path / "progress.jsonl").write_bytes(damage)
    set_aside, *rows = run_to_end(accuracy_trial(finished.recipe, 0.2), tmp_path)
    assert "progress.jsonl is damaged" in set_aside["set_aside"] and len(rows) == 2
    results = read_results(tmp_path)
    assert results["heldout"] == first["heldout"] and results["seconds"]["train"] == first["seconds"]["train"]
    assert results["provenance"]["trained_at"] == first["provenance"]["trained_at"]


def test_leftover_temporary_files_do_not_matter(finished, tmp_path, no_training):
    for name in ("results.1.tmp", "weights.1.tmp", "progress.1.tmp"):
        (tmp_path / name).write_bytes(b"half")
    assert run_to_end(finished, tmp_path) == []
    assert len(run_to_end(accuracy_trial(finished.recipe, 0.2), tmp_path)) == 2


def test_a_stopped_trial_resumes_and_lists_each_epoch_once(tmp_path):
    trial = accuracy_trial(oat(**QUICK | {"epochs": 3}))
    for row in run_trial(trial, tmp_path, tmp_path, CPU, {}):
        if row["epoch"] == 2:
            break
    assert (tmp_path / "checkpoint").exists() and not (tmp_path / "results.json").exists()
    assert [row.get("epoch") for row in run_to_end(trial, tmp_path)] == [3, None, None]
    assert [row["epoch"] for row in read_progress(tmp_path)] == [1, 2, 3]
    assert not (tmp_path / "checkpoint").exists()


def test_a_row_lost_between_its_checkpoint_and_the_file_is_written_on_resuming(tmp_path):
    trial = accuracy_trial(oat(**QUICK))
    rows = run_trial(trial, tmp_path, tmp_path, CPU, {"git_commit": "abc"})
    first = next(rows)
    rows.close()
    (tmp_path / "progress.jsonl").unlink()
    resumed = run_trial(trial, tmp_path, tmp_path, CPU, {"git_commit": "abc"})
    assert next(resumed)["loss"] == first["loss"] and next(resumed)["epoch"] == 2
    resumed.close()
    assert [row["epoch"] for row in read_progress(tmp_path)] == [1, 2]


def test_a_trial_stopped_while_measuring_measures_the_rest(tmp_path, monkeypatch):
    trial = accuracy_trial(oat(**QUICK), 0.1, 0.2)
    for row in run_trial(trial, tmp_path, tmp_path, CPU, {}):
        if row.get("lam") == 1.0:  # all rows of the first measurement, not yet written to results.json
            break
    rows = run_to_end(trial, tmp_path)
    assert [row.get("lam") for row in rows] == [0.0, 1.0] * 2
    assert not is_unfinished(trial, tmp_path)


def test_damaged_progress_of_a_stopped_trial_does_not_stop_it(tmp_path):
    trial = accuracy_trial(oat(**QUICK | {"epochs": 3}))
    stopped = run_trial(trial, tmp_path, tmp_path, CPU, {})
    next(stopped), next(stopped)
    stopped.close()
    (tmp_path / "progress.jsonl").write_text('{"epoch": 1, "los')
    run_to_end(trial, tmp_path)
    assert [row["epoch"] for row in read_progress(tmp_path)] == [3]
    assert read_results(tmp_path)["heldout"]["epoch"] in (1, 2, 3)
    assert not is_unfinished(trial, tmp_path)


def test_a_failure_is_written_and_yielded_and_tried_again(tmp_path):
    trial = accuracy_trial(pgd_at(0.0, lr=1e30, epochs=2))
    first = run_to_end(trial, tmp_path)
    assert list(first[-1]) == ["failed"] and re.search("epoch 1 of 2", first[-1]["failed"])
    assert load_failure(tmp_path) == {
        "reason": read_failure(tmp_path),
        "log": "progress.jsonl",
        "key": trial.key,
    }
    assert read_failure(tmp_path) == first[-1]["failed"]
    assert is_unfinished(trial, tmp_path)
    (tmp_path / "failure.json").write_text("an old one")
    assert run_to_end(trial, tmp_path)[1:] == first  # after a row on the damaged file
    assert read_failure(tmp_path) == first[-1]["failed"]


def test_an_earlier_failure_is_deleted(finished, tmp_path):
    write_failure(tmp_path, "out of memory", "progress.jsonl")
    assert read_failure(tmp_path) == "out of memory"
    run_to_end(finished, tmp_path)
    assert read_failure(tmp_path) is None


def test_absent_data_is_a_failure(tmp_path):
    trial = accuracy_trial(oat(**QUICK)).model_copy(update={"source": str(tmp_path / "gone")})
    assert "gone" in run_to_end(trial, tmp_path / "trial")[0]["failed"]


def test_sa_and_ra_come_from_their_own_weights(tmp_path, monkeypatch):
    counts = {"SA@1": (20, 1, "c1", "r1"), "RA@1": (10, 9, "c2", "r2")}
    loaded = []
    monkeypatch.setattr(checkpoint_selection, "load", lambda net, directory, tag: loaded.append(tag))
    fields = ("clean_correct", "robust_correct", "clean_hits", "robust_hits")
    monkeypatch.setattr(trial_module, "accuracy", lambda *_, **__: dict(zip(fields, counts[loaded[-1]], strict=True)))
    recipe = oat(protocol=Protocol(selection="each"))
    engine, measurement = SimpleNamespace(net=None), Measurement(probe="cost")
    row = trial_module.accuracy_of_selected_weights(engine, recipe, tmp_path, None, measurement, 0.9)
    assert row == {"clean_correct": 20, "robust_correct": 9, "clean_hits": "c1", "robust_hits": "r2"}


def test_a_network_trained_in_bf16_is_reported_in_fp32(tmp_path, monkeypatch):
    types = set()
    accuracy = trial_module.accuracy

    def recording_accuracy(engine, *rest, **options):
        hook = engine.net.head.register_forward_hook(lambda layer, inputs, output: types.add(output.dtype))
        accuracy(EagerEngine(engine.net), *rest, **options)  # eager, so that the hook is called
        hook.remove()
        row = accuracy(engine, *rest, **options)
        types.update(plan.dtype for plan in getattr(engine, "plans", ()))
        return row

    monkeypatch.setattr(trial_module, "accuracy", recording_accuracy)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # torch's default
    run_to_end(accuracy_trial(oat(**QUICK | {"epochs": 1, "precision": "bf16"})), tmp_path)
    assert types == {torch.float32}
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


def test_each_metric_is_measured_on_its_own_weights(tmp_path):
    """Ledger row 5, `each`: SA at λ from the SA@λ weights, RA from the RA@λ ones."""
    recipe = oat(**QUICK | {"epochs": 3, "protocol": Protocol(selection="each")})
    trial = accuracy_trial(recipe)
    rows = [row for row in run_to_end(trial, tmp_path) if "lam" in row]
    data = trial_module.load("digits", root=tmp_path, heldout=recipe.heldout)
    net = trial_module.build(recipe, 1, 10)
    x, y = data.test.images[:30].float() / 255, data.test.labels[:30]
    for row in rows:
        cond = torch.full((30,), row["lam"])
        checkpoint_selection.load(net, tmp_path, f"SA@{row['lam']:g}")
        with torch.no_grad():
            assert row["clean_correct"] == int((net(x, cond).argmax(1) == y).sum())
        checkpoint_selection.load(net, tmp_path, f"RA@{row['lam']:g}")
        adv = pgd(lambda z, cond=cond: net(z, cond), x, y, 0.1, 0.025, 7, torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert row["robust_correct"] == int((net(adv, cond).argmax(1) == y).sum())


def test_results_are_of_the_first_test_images_under_the_selected_weights(finished, tmp_path):
    recipe = finished.recipe
    net = trial_module.build(recipe, 1, 10)
    checkpoint_selection.load(net, tmp_path)
    data = trial_module.load("digits", root=tmp_path, heldout=recipe.heldout)
    for row in read_results(tmp_path)["measurements"][finished.measurements[0].key]["rows"]:
        with torch.no_grad():
            predicted = net(data.test.images[:30].float() / 255, torch.full((30,), row["lam"])).argmax(1)
        correct = predicted == data.test.labels[:30]
        assert row["n"] == 30 and row["clean_correct"] == int(correct.sum())
        assert correct_bits.decode(row["clean_hits"], 30).tolist() == correct.tolist()


def test_a_directory_of_another_network_is_refused(tmp_path):
    """Otherwise `bench trial b.json --directory out` after a.json would report a's numbers as b's."""
    first, second = pgd_at(0.0, epochs=1), pgd_at(0.0, epochs=1, seed=1)
    for recipe in (first, second):
        measurement = Measurement(epsilon=0.1, step=0.025, lambdas=(0.0,), test_images=16)
        trial = Trial(recipe=recipe, measurements=(measurement,), source="digits")
        rows = run_trial(trial, tmp_path / "out", tmp_path, torch.device("cpu"), {})
        if recipe is first:
            assert len(list(rows)) == 2
    with pytest.raises(DataError, match="holds another network"):
        list(run_trial(trial, tmp_path / "out", tmp_path, torch.device("cpu"), {}))


def test_data_that_changed_since_the_plan_is_refused(tmp_path):
    recipe = pgd_at(0.0, epochs=1, data_hash="0" * 64)
    measurement = Measurement(epsilon=0.1, step=0.025, lambdas=(0.0,))
    trial = Trial(recipe=recipe, measurements=(measurement,), source="digits")
    (row,) = run_trial(trial, tmp_path / "out", tmp_path, torch.device("cpu"), {})
    assert "has changed since it was planned" in row["failed"]


def test_the_commits_that_trained_it_stand_beside_the_one_that_measured_it(tmp_path):
    measurement = Measurement(epsilon=0.1, step=0.025, lambdas=(0.0,), test_images=16)
    trial = Trial(recipe=pgd_at(0.0, epochs=2), measurements=(measurement,), source="digits")
    arguments = (tmp_path / "out", tmp_path, torch.device("cpu"))
    stopped = run_trial(trial, *arguments, {"git_commit": "aaa", "git_dirty": True})
    next(stopped)
    stopped.close()
    list(run_trial(trial, *arguments, {"git_commit": "bbb", "git_dirty": False}))
    provenance = read_results(tmp_path / "out")["provenance"]
    assert provenance["trained_at"] == ["aaa-dirty", "bbb"] and provenance["git_commit"] == "bbb"


def test_an_attack_that_cannot_run_here_is_a_failure_with_a_reason(tmp_path, monkeypatch):
    """As on a worker that has other packages than the driver; the trained network is kept."""
    monkeypatch.setattr("bench.spec.autoattack_package.package", lambda: None)
    recipe = pgd_at(**QUICK | {"lambdas": ()})
    measurement = Measurement(attack="autoattack", epsilon=0.1, step=0.025, lambdas=(recipe.lam,), test_images=4)
    trial = Trial(recipe=recipe, measurements=(measurement,), source="digits")
    assert run_to_end(trial, tmp_path)[-1]["failed"].startswith("autoattack needs a package")
    assert "pip install" in read_failure(tmp_path) and (tmp_path / "weights.safetensors").exists()


def flip_last_bit(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_flipped_bit_of_the_weights_trains_them_again_and_keeps_the_results_of_equal_ones(finished, tmp_path):
    weights, results = (tmp_path / "weights.safetensors").read_bytes(), (tmp_path / "results.json").read_bytes()
    flip_last_bit(tmp_path / "weights.safetensors")
    more = accuracy_trial(finished.recipe, 0.1, 0.2)
    rows = run_to_end(more, tmp_path)
    assert "weights.safetensors is damaged" in rows[0]["set_aside"]
    assert [row.get("epoch") for row in rows[1:]] == [1, 2, None, None]  # one measurement was there
    assert (tmp_path / "weights.safetensors").read_bytes() == weights
    old, new = json.loads(results)["measurements"], read_results(tmp_path)["measurements"]
    assert old.items() <= new.items() and len(new) == 2


def test_results_of_other_weights_are_measured_again(finished, tmp_path):
    """As where a training on a GPU does not repeat bit for bit."""
    other = tmp_path / "other"
    run_to_end(accuracy_trial(finished.recipe.model_copy(update={"seed": 1})), other)
    tensors = load_file(other / "weights.safetensors")
    trial_manifest.forget(tmp_path, "weights.safetensors")
    trial_manifest.write_tensors(tmp_path, "weights.safetensors", tensors, finished.key)
    rows = run_to_end(finished, tmp_path)
    assert "measured on other weights" in rows[0]["set_aside"] and [row["lam"] for row in rows[1:]] == [0.0, 1.0]
    (expected,), (measured,) = (read_results(folder)["measurements"].values() for folder in (other, tmp_path))
    assert [row["clean_hits"] for row in measured["rows"]] == [row["clean_hits"] for row in expected["rows"]]


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory) -> Path:
    """The directory of the trial, stopped after its first epoch."""
    directory = tmp_path_factory.mktemp("stopped")
    rows = run_trial(whole[0], directory, directory, CPU, {"git_commit": "abc"})
    next(rows)
    rows.close()
    return directory


@pytest.mark.parametrize("damage", ["flip", "cut", "other network"])
def test_a_damaged_checkpoint_is_set_aside_and_training_starts_anew(whole, stopped, tmp_path, damage):
    trial, directory, expected = whole
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    path, weights = tmp_path / "checkpoint" / "state.safetensors", (directory / "weights.safetensors").read_bytes()
    if damage == "flip":
        flip_last_bit(path)
    elif damage == "other network":
        path.write_bytes(weights)
    else:
        path.write_bytes(path.read_bytes()[:5000])
    set_aside, *rows = run_to_end(trial, tmp_path)
    assert "state.safetensors is damaged" in set_aside["set_aside"]
    assert [row.get("loss") for row in rows] == [row.get("loss") for row in expected]
    assert (tmp_path / "weights.safetensors").read_bytes() == weights


@pytest.mark.parametrize("damage", ["flip", "not finite", "other shape"])
def test_damaged_weights_of_an_earlier_version_are_noticed_when_they_are_loaded(finished, tmp_path, damage):
    """Without a manifest, a flipped bit alone cannot be noticed; what else is wrong can."""
    (tmp_path / "manifest.json").unlink()
    path = tmp_path / "weights.safetensors"
    tensors = load_file(path)
    name = next(name for name, value in tensors.items() if value.dim() > 1)
    tensors[name] = {"flip": -tensors[name], "not finite": tensors[name] / 0, "other shape": tensors[name][:1]}[damage]
    save_file(tensors, path)
    rows = run_to_end(accuracy_trial(finished.recipe, 0.2), tmp_path)
    named = [row["set_aside"] for row in rows if "set_aside" in row]
    assert named == [] if damage == "flip" else "weights.safetensors is damaged" in named[0]
    assert (tmp_path / "manifest.json").exists()


def test_outputs_that_are_not_finite_are_a_failure_and_no_counts(finished, tmp_path, monkeypatch):
    """argmax takes NaN for the largest: such a network would be right on every image of class 0."""
    monkeypatch.setattr(
        trial_module.checkpoint_selection, "load", lambda net, *_: net.eval().head.bias.data.fill_(torch.nan)
    )
    rows = run_to_end(accuracy_trial(finished.recipe, 0.2), tmp_path)
    assert "not finite for 30 of 30 images" in rows[-1]["failed"] and len(rows) == 1
    assert len(read_results(tmp_path)["measurements"]) == 1


def test_weights_that_are_not_finite_are_not_written(tmp_path, monkeypatch):
    real = trial_module.checkpoint_selection.consider

    def poison(state, net, *rest):
        net.head.weight.data[0, 0] = torch.inf
        return real(state, net, *rest)

    monkeypatch.setattr("bench.training.loop.checkpoint_selection.consider", poison)
    rows = run_to_end(accuracy_trial(oat(**QUICK)), tmp_path)
    assert "head.weight" in rows[-1]["failed"] and "not finite" in rows[-1]["failed"]
    (checkpoint,) = tmp_path.rglob("*.safetensors")  # of the first epoch, whose weights no candidate has
    assert all(value.isfinite().all() for value in load_file(checkpoint).values())
