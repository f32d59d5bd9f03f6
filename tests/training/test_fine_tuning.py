"""Fine-tuning starts from the weights of another trial, and waits for them."""

import pytest
import torch

from bench.models import build
from bench.run.missing_work import SURROGATE_UNTRAINED, surrogate_is_ready
from bench.run.trial import run_trial
from bench.run.trial_command import parts_of
from bench.spec.measurement import Measurement
from bench.spec.trial import Trial
from bench.training import checkpoint_selection
from bench.trial_dir import read_failure
from tests.random_network import write_network
from tests.recipes import pgd_at

CPU = torch.device("cpu")
QUICK = {"epochs": 2, "attack_steps": 1}


def test_it_starts_from_the_other_network_and_waits_for_it(tmp_path):
    tuned = pgd_at(1.0, tuned_from=0.0, tuning_lr=1e-9, **QUICK)
    about = {"lambdas": (0.0, 1.0), "test_images": 20, "epsilon": 0.1, "step": 0.05}
    blend = Measurement(blend="weights", surrogate=tuned.start.key, **about)
    trial = Trial(recipe=tuned, measurements=(blend,), source="digits")
    folder = tmp_path / tuned.key
    assert trial.needs == {pgd_at(0.0, **QUICK).key}
    (row,) = run_trial(trial, folder, tmp_path, CPU, {})
    assert row["failed"].startswith(SURROGATE_UNTRAINED) and tuned.start.key in read_failure(folder)
    assert not surrogate_is_ready(trial, folder)
    start = write_network(tuned.start, tmp_path / tuned.start.key)
    assert surrogate_is_ready(trial, folder)
    rows = list(run_trial(trial, folder, tmp_path, CPU, {}))
    assert [row["lr"] for row in rows[:2]] == pytest.approx([1e-9, 5e-10])
    assert [row["lam"] for row in rows[2:]] == [0.0, 1.0]
    trained = build(tuned, 1, 10)
    checkpoint_selection.load(trained, folder)
    for name, value in start.named_parameters():
        assert torch.allclose(trained.get_parameter(name), value, atol=1e-6), name


def test_a_job_without_a_scheduler_trains_the_start_first(tmp_path):
    tuned = pgd_at(1.0, tuned_from=0.0, tuning_lr=0.01)
    trial = Trial(recipe=tuned, measurements=(), source="digits")
    parts = list(parts_of(trial, (tuned.start,), tmp_path / tuned.key))
    assert [(part.recipe, folder.name) for part, folder in parts] == [
        (tuned.start, tuned.start.key),
        (tuned, tuned.key),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tuned_from": 1.0, "tuning_lr": 0.1}, "is another λ than lam"),
        ({"tuned_from": 0.0}, "give both or neither"),
        ({"tuning_lr": 0.1}, "give both or neither"),
    ],
)
def test_half_a_start_is_refused(fields, reason):
    with pytest.raises(ValueError, match=reason):
        pgd_at(1.0, **fields)
