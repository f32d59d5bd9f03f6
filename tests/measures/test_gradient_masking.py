"""Signs of gradient masking: a sound model has none, and models that mask their gradients have at least two."""

from functools import cache

import pytest
import torch
from torch import nn

from bench.engines.eager import EagerEngine
from bench.measures.gradient_masking import masking
from bench.measures.result_schema import parse
from bench.run.missing_work import SURROGATE_UNTRAINED, is_unfinished, surrogate_is_ready
from bench.run.trial import run_trial
from bench.spec import costs
from bench.spec.measurement import Measurement
from bench.spec.trial import Trial
from bench.trial_dir import read_failure, read_results
from reports.statistics.gradient_masking import SIGNS, failed_signs, signs
from tests.recipes import digits, oat, pgd_at

CPU = torch.device("cpu")
EPSILON = 0.15
MEASUREMENT = Measurement(probe="masking", epsilon=EPSILON, step=EPSILON / 4, lambdas=(0.0,), test_images=100)
DIGITS = digits(pgd_at(train_images=1000), test_images=100)


class Linear(nn.Module):
    """Logistic regression on digits that takes a condition as the networks do. `levels` rounds its input and `scale`
    multiplies its logits, both of which mask the gradient."""

    def __init__(self, levels: int | None = None, scale: float = 1.0):
        super().__init__()
        self.head, self.levels, self.scale = nn.Linear(64, 10), levels, scale

    def condition(self, lam, zeros=None, width=1.0, branch=None, training=None):
        return None

    def forward(self, x, lam):
        x = (x * self.levels).round() / self.levels if self.levels else x
        return self.scale * self.head(x.flatten(1))


@cache
def weights() -> dict:
    """State dict after a second of training without an attack."""
    torch.manual_seed(0)
    net = Linear()
    x, y = DIGITS.train.images.float().flatten(1) / 255, DIGITS.train.labels
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        (nn.functional.cross_entropy(net.head(x), y) + 2e-3 * net.head.weight.square().sum()).backward()
        optimiser.step()
    return net.state_dict()


def measured(**hidden) -> list[dict]:
    net = Linear(**hidden).eval()
    net.load_state_dict(weights())
    return list(masking(EagerEngine(net), DIGITS.test, MEASUREMENT, None))


def judged(rows: list[dict]) -> list[str]:
    parsed = parse({"measurement": MEASUREMENT.model_dump(mode="json"), "rows": rows})
    return failed_signs(Rows([{"key": "k"} | row for row in parsed])).get("k", [])


class Rows:
    """The part of a Panel that `failed` reads."""

    def __init__(self, probes: list[dict]):
        self.probes = probes


def worst_case(x, y):
    """(n,) bool: images that the linear model classifies correctly in the whole ε-ball within [0,1]."""
    weight, bias = weights()["head.weight"].double(), weights()["head.bias"].double()
    x = x.double().flatten(1)
    low, high = (x - EPSILON).clamp(min=0), (x + EPSILON).clamp(max=1)
    towards = weight[None] - weight[y][:, None]  # (n, 10, 64)
    gain = torch.where(towards > 0, towards * high[:, None], towards * low[:, None]).sum(2) + bias - bias[y][:, None]
    return (gain.scatter(1, y[:, None], -1.0) < 0).all(1)


def test_a_sound_model_has_no_sign_and_pgd_finds_its_worst_case():
    (row,) = measured()
    assert judged([row]) == []
    exact = worst_case(DIGITS.test.images.float() / 255, DIGITS.test.labels)
    assert 15 < exact.sum() < 80
    robust = set(row["robust_images"])
    assert set(exact.nonzero()[:, 0].tolist()) <= robust  # no attack leaves the ball
    assert len(robust) - row["margin"] - int(exact.sum()) <= 2  # and the margin's loss finds nearly all there is
    assert row["zero_gradients"] == 0 and row["epsilons"][-1][1] == 0


@pytest.mark.parametrize("hidden", [{"scale": 1e4}, {"levels": 4}, {"levels": 8}], ids=str)
def test_a_masked_model_has_at_least_two(hidden):
    (row,) = measured(**hidden)
    assert len(judged([row])) >= 2
    assert "no gradient" in judged([row]) and "Square" in judged([row])


def test_a_loss_that_does_not_saturate_sees_through_a_scale_and_not_through_rounding():
    assert "margin loss" in judged(measured(scale=1e4)) and "margin loss" not in judged(measured(levels=4))


def test_batches_of_images_add_up(monkeypatch):
    """What is not drawn at random is the same in batches of 30 as of all 100 images."""
    (whole,) = measured()
    monkeypatch.setattr("bench.measures.accuracy.BATCH", 30)
    (row,) = measured()
    for name in ("n", "clean_correct", "zero_gradients", "saturated", "queries"):
        assert row[name] == whole[name]
    assert row["restarts"][-1] == [5, len(row["robust_images"])] and row["epsilons"][-1][1] == 0
    assert [[at for at, _ in row[name]] for name in ("steps", "restarts", "epsilons")] == [
        [at for at, _ in whole[name]] for name in ("steps", "restarts", "epsilons")
    ]
    both = set(row["robust_images"]) & set(whole["robust_images"])
    assert len(both) >= len(whole["robust_images"]) - 3 and max(both) >= 90


def test_it_is_deterministic():
    assert measured() == measured()


def test_counts_fall_with_steps_restarts_and_epsilon():
    (row,) = measured()
    counts = [row["clean_correct"], *(k for _, k in row["steps"]), *(k for _, k in row["restarts"])]
    assert counts == sorted(counts, reverse=True) and counts[-1] == len(row["robust_images"])
    assert [at for at, _ in row["steps"]] == [7, 20, 50] and [at for at, _ in row["restarts"]] == [1, 5]
    epsilons = [epsilon for epsilon, _ in row["epsilons"]]
    assert epsilons == [pytest.approx(EPSILON * 2**k) for k in range(1, len(epsilons) + 1)]


def test_the_planned_passes_with_and_without_a_surrogate():
    assert costs.masking(MEASUREMENT, pgd_at(), 10) == 4 + (150 + 240 + 200) / 2
    assert costs.masking(MEASUREMENT.model_copy(update={"surrogate": "x"}), pgd_at(), 10) == 41


# --- examples from another network


def test_a_measurement_waits_for_its_surrogate_to_be_trained(tmp_path):
    quick = {"epochs": 1, "attack_steps": 1, "train_images": 104}
    surrogate_recipe, recipe = pgd_at(1.0, **quick), oat(lambdas=(0.0, 1.0), **quick)
    white_box = MEASUREMENT.model_copy(update={"lambdas": (0.0, 1.0), "test_images": 20})
    by_surrogate = white_box.model_copy(update={"surrogate": surrogate_recipe.key})
    trial = Trial(recipe=recipe, measurements=(by_surrogate, white_box), source="digits")
    directory = tmp_path / trial.key
    rows = list(run_trial(trial, directory, tmp_path, CPU, {}))
    assert rows[-1]["failed"].startswith(SURROGATE_UNTRAINED)
    assert read_failure(directory).startswith(SURROGATE_UNTRAINED)
    assert set(read_results(directory)["measurements"]) == {white_box.key}  # the measurement without a surrogate
    assert is_unfinished(trial, directory) and not surrogate_is_ready(trial, directory)
    other = Trial(
        recipe=surrogate_recipe, measurements=(white_box.model_copy(update={"lambdas": (1.0,)}),), source="digits"
    )
    list(run_trial(other, tmp_path / surrogate_recipe.key, tmp_path, CPU, {}))
    assert surrogate_is_ready(trial, directory)
    rows = list(run_trial(trial, directory, tmp_path, CPU, {}))
    assert [(row["lam"], row["surrogate"]) for row in rows] == [
        (0.0, surrogate_recipe.key),
        (1.0, surrogate_recipe.key),
    ]
    assert not is_unfinished(trial, directory) and read_failure(directory) is None
    assert all(set(row["fooled_images"]) <= set(range(20)) for row in rows)


def test_the_examples_are_crafted_on_the_surrogate(tmp_path):
    """A copy of the surrogate is fooled by them as by PGD."""
    quick = {"epochs": 2, "attack_steps": 1, "train_images": 640}
    recipe = pgd_at(0.0, **quick)
    plain = Measurement(epsilon=EPSILON, step=EPSILON / 4, steps=20, lambdas=(0.0,), test_images=20)
    directory = tmp_path / recipe.key
    (_, _, row) = run_trial(Trial(recipe=recipe, measurements=(plain,), source="digits"), directory, tmp_path, CPU, {})
    by_surrogate = MEASUREMENT.model_copy(update={"surrogate": recipe.key, "test_images": 20})
    (surrogate_row,) = run_trial(
        Trial(recipe=recipe, measurements=(by_surrogate,), source="digits"), directory, tmp_path, CPU, {}
    )
    assert 20 - len(surrogate_row["fooled_images"]) == row["robust_correct"] < row["clean_correct"]


def test_every_sign_has_a_limit_above_its_threshold():
    (row,) = measured()
    parsed = parse({"measurement": MEASUREMENT.model_dump(mode="json"), "rows": [row]})
    all_signs = signs([{"key": "k"} | parsed_row for parsed_row in parsed])
    assert {sign.name for sign in all_signs} == SIGNS.keys() - {"transfer"}
    assert all(sign.limit / sign.n > SIGNS[sign.name] for sign in all_signs)
