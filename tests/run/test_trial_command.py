"""The verb `trial`: what it measures, and what it refuses, without training."""

from pathlib import Path

import pytest
import torch

from bench.damaged_files import write_sealed
from bench.errors import BadInput
from bench.run import trial_command
from bench.run.job_array_files import TrialFile, read_trial_file
from bench.run.trial_command import TrialRequest, accuracy_measurements, device_of, run_trial_command
from bench.spec.lambda_sets import S1, S2
from bench.spec.trial import Trial
from tests.recipes import oat, pgd_at


def test_they_are_those_of_a_suite():
    """At the recipe's λ and each of its widths, attacked from the starts of the recipe's seed."""
    measured = accuracy_measurements(oat(seed=2, widths=(0.5, 1.0)), "", 100)
    assert [(m.width, m.lambdas, m.seed, m.test_images) for m in measured] == [(0.5, S1, 2, 100), (1.0, S1, 2, 100)]
    assert {(m.epsilon, m.step) for m in measured} == {(0.1, 0.025)}


def test_another_set_of_lambdas_and_pgd_at_s_one():
    (measured,) = accuracy_measurements(oat(), "S2", None)
    assert measured.lambdas == S2
    (measured,) = accuracy_measurements(pgd_at(0.5, seed=1), "S2", None)
    assert (measured.lambdas, measured.seed) == ((0.5,), 1)
    with pytest.raises(BadInput, match="--lambdas: "):
        accuracy_measurements(oat(), "S9", None)


@pytest.fixture
def file(tmp_path) -> Path:
    """A KEY.json of an OAT network with a surrogate."""
    trial = Trial(recipe=oat(), measurements=accuracy_measurements(oat(), "", None), source="digits")
    content = TrialFile(trial=trial, surrogates=(pgd_at(1.0),))
    write_sealed(tmp_path / f"{trial.key}.json", content.model_dump(mode="json"))
    assert read_trial_file(tmp_path / f"{trial.key}.json") == content
    return tmp_path / f"{trial.key}.json"


def request(file: Path, **options) -> TrialRequest:
    defaults = {"directory": None, "source": "", "lambdas": "", "test_images": None, "gpus": None}
    return TrialRequest(file=file, data_root=file.parent / "data", threads=1, **defaults | options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"lambdas": "S2"}, "says what is measured: leave --lambdas and --test-images out"),
        ({"test_images": 5}, "says what is measured"),
        ({"source": "fashion-mnist-8k"}, "--source fashion-mnist-8k: is not the data of .*, whose content hash is "),
    ],
)
def test_a_trial_file_says_what_is_measured_and_on_which_images(file, options, reason):
    with pytest.raises(BadInput, match=reason):
        run_trial_command(request(file, **options))
    assert not (file.parent / "trials").exists()


def test_a_recipe_needs_a_directory(tmp_path):
    (tmp_path / "recipe.json").write_text(oat().model_dump_json())
    with pytest.raises(BadInput, match="is a recipe: give the trial's directory with --directory"):
        run_trial_command(request(tmp_path / "recipe.json"))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"oat"', '"oat_mine"', "does not have its checksum"),
        ('"sha256"', '"sha"', "unknown field 'sha'"),
        ("{", "", "is not JSON"),
    ],
)
def test_a_changed_file_is_refused(file, old, new, reason):
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(BadInput, match=reason):
        read_trial_file(file)


def test_names_that_only_a_plugin_knows_are_refused_without_the_plugin(file):
    content = TrialFile.model_validate(read_trial_file(file).model_dump())
    strange = content.trial.measurements[0].model_copy(update={"attack": "pgd8"})
    trials = {
        "unknown method 'oat_mine'": content.trial.model_copy(update={"recipe": oat(method="oat_mine")}),
        "unknown attack 'pgd8'": content.trial.model_copy(update={"measurements": (strange,)}),
    }
    for reason, trial in trials.items():
        write_sealed(file, TrialFile(trial=trial).model_dump(mode="json"))
        with pytest.raises(BadInput, match=reason):
            read_trial_file(file)


def test_a_gpu_is_used_where_there_is_one_and_required_where_asked_for(file, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of(request(file)) == torch.device("cuda")
    assert device_of(request(file, gpus=0)) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert device_of(request(file)) == torch.device("cpu")
    with pytest.raises(BadInput, match="a GPU is assigned, but torch .* is a build without CUDA"):
        device_of(request(file, gpus=1))


def test_nothing_is_trained_after_a_failure(file, monkeypatch, capsys):
    started = []

    def fail(trial, directory, *_):
        started.append((trial.key, directory.name))
        yield {"failed": "the loss became nan"}

    monkeypatch.setattr(trial_command, "run_trial", fail)
    monkeypatch.setattr(trial_command, "require_data", lambda *_: None)
    assert run_trial_command(request(file, gpus=0)) == 1
    assert started == [(file.stem, file.stem)] and capsys.readouterr().out.count("failed") == 1
