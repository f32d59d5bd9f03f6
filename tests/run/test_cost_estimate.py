"""The estimated cost of trials, checked by hand."""

import json

import pytest
import torch

from bench.data import describe
from bench.engines.conditioned_model import ConditionedModel
from bench.errors import BadInput
from bench.measures.cost import cost, parameter_count
from bench.models import build
from bench.run import image_pass_timing
from bench.run.cost_estimate import STEP_OVERHEAD, CostEstimator, wall_seconds
from bench.run.missing_work import missing_measurements
from bench.spec.costs import training_passes
from bench.spec.measurement import Measurement
from bench.spec.trial import Trial
from tests.recipes import oat, pgd_at

INFO = describe("digits", None)


@pytest.mark.parametrize(
    ("seconds", "slots", "wall"),
    [
        ([], 2, 0),
        ([5], 4, 5),
        ([1, 2, 3], 1, 6),
        ([3, 1, 2], 2, 3),
        ([4, 4, 4], 2, 8),
        ([5, 4, 3, 3], 2, 8),
        ([1, 1, 1, 1], 0, 4),
    ],
)
def test_wall_time_by_hand(seconds, slots, wall):
    assert wall_seconds(seconds, slots) == wall


def test_training_passes_of_oat_by_hand():
    """128 images and 2 epochs, of which only the second is a candidate for selection: 0.75 · 2 = 1.5."""
    recipe = oat(epochs=2, attack_steps=7, batch=60)
    clean = 120 * 3  # two batches of 60: forward, backward to weights, backward to inputs
    adversarial = 120 * 5 / 6 * (7 * 2 + 3)  # λ≠0 only: 7 forwards and backwards to the image, then a training pass
    candidates = 1 * 40 * 6 * (7 * 2 + 2)  # held-out images at six λ: the attack, and a forward for SA and for RA
    assert training_passes(recipe, 1347) == pytest.approx(2 * (clean + adversarial) + candidates)


@pytest.mark.parametrize(("lam", "per_image"), [(0.0, 3), (0.5, 3 + 2 * 7 + 3)])
def test_training_passes_of_pgd_at_by_hand(lam, per_image):
    recipe = pgd_at(lam, epochs=1, attack_steps=7, batch=64)
    assert training_passes(recipe, 1347) == 128 * per_image + 40 * 1 * 16


def test_training_uses_at_most_the_images_of_the_data_set():
    recipe = pgd_at(0.0, epochs=1, train_images=5000, batch=10)
    assert training_passes(recipe, 1347) == 1300 * 3 + 40 * 16  # 1347 - 40 held out, in whole batches of 10


@pytest.mark.parametrize("density", ["continuous", "continuous-low"])
def test_continuous_lambda_trains_on_as_many_images(density):
    """The share of λ=0, which is not attacked, stays that of the set."""
    assert training_passes(oat(lam_density=density), 1347) == training_passes(oat(), 1347)


@pytest.fixture
def timed(monkeypatch, tmp_path):
    """(estimator, architectures it timed); a pass takes 1 ms at full width and 2 ms at smaller widths."""
    timed_archs = []

    def time_image_pass(recipe, info, precision, width, device):
        timed_archs.append(recipe.arch)
        return 1e-3 if width == 1 else 2e-3

    monkeypatch.setattr(image_pass_timing, "time_image_pass", time_image_pass)
    return CostEstimator(tmp_path), timed_archs


def trial_of(recipe) -> Trial:
    measurement = Measurement(epsilon=0.1, step=0.025, lambdas=recipe.lambdas, test_images=100)
    return Trial(recipe=recipe, measurements=(measurement,), source="digits")


def cost_of(estimator: CostEstimator, trial: Trial) -> dict:
    """The trial's cost, with the missing measurements read from its directory."""
    return estimator.trial_cost(trial, INFO, missing_measurements(trial, estimator.runs / "trials" / trial.key))


def test_a_trial_s_seconds_and_macs_are_passes_times_their_cost(timed):
    recipe = oat()
    trial_cost, passes = cost_of(timed[0], trial_of(recipe)), training_passes(recipe, INFO.train)
    seconds = (passes * STEP_OVERHEAD + 6 * 100 * 16) * 1e-3
    assert trial_cost["seconds"] == pytest.approx(seconds) and trial_cost["seconds_left"] == pytest.approx(seconds)
    assert trial_cost["macs"] == cost(recipe, INFO.shape, 10).macs * (passes + 6 * 100 * 16)


WIDTHS = (0.5, 0.75, 1.0)


def test_a_slimmable_trial_trains_and_measures_each_width_at_its_own_cost(timed):
    recipe = oat(widths=WIDTHS)
    macs_at = {width: cost(recipe, INFO.shape, 10, width).macs for width in WIDTHS}
    assert macs_at[0.5] < macs_at[0.75] < macs_at[1.0]
    grid = {"epsilon": 0.1, "step": 0.025, "lambdas": recipe.lambdas, "test_images": 100}
    measurements = tuple(Measurement(**grid, width=width) for width in WIDTHS)
    trial_cost = cost_of(timed[0], Trial(recipe=recipe, measurements=measurements, source="digits"))
    passes = training_passes(recipe, INFO.train)
    macs = sum(macs_at.values()) * (passes + 6 * 100 * 16)
    assert trial_cost["macs"] == pytest.approx(macs)
    assert trial_cost["seconds"] == pytest.approx((passes * STEP_OVERHEAD + 6 * 100 * 16) * 5e-3)


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ({"attack": "pgd20"}, 2 * 20 + 2),
        ({"attack": "fgsm"}, 2 * 1 + 2),
        ({"attack": "pgd7", "steps": 50, "restarts": 2}, 2 * 100 + 2),
        ({"attack": "mifgsm", "targeted": True}, 2 * 10 * 9 + 2),
        ({"probe": "saliency"}, 2),
        ({"probe": "bn_statistics"}, 0),
        ({"probe": "cost"}, 0),
    ],
)
def test_a_measurement_costs_the_steps_of_its_attack(timed, fields, passes):
    recipe = oat()
    measurement = Measurement(epsilon=0.1, step=0.025, lambdas=recipe.lambdas, test_images=100, **fields)
    trial_cost = cost_of(timed[0], Trial(recipe=recipe, measurements=(measurement,), source="digits"))
    training = training_passes(recipe, INFO.train)
    assert trial_cost["seconds"] == pytest.approx((training * STEP_OVERHEAD + 6 * 100 * passes) * 1e-3)


def test_seconds_left_are_of_what_the_directory_lacks(timed, tmp_path):
    trial = trial_of(oat(epochs=4))
    directory = tmp_path / "trials" / trial.key
    directory.mkdir(parents=True)
    (directory / "progress.jsonl").write_text('{"epoch": 1, "epochs": 4, "seconds": 1.0}\n')
    whole = cost_of(timed[0], trial)
    measuring = 6 * 100 * 16 * 1e-3
    assert whole["seconds_left"] == pytest.approx(0.75 * (whole["seconds"] - measuring) + measuring)
    (directory / "weights.safetensors").touch()
    assert cost_of(timed[0], trial)["seconds_left"] == pytest.approx(measuring)
    facts = {"key": trial.key, "recipe": {}, "heldout": {}, "provenance": {}, "macs": {"forward": 1, "training": 1}}
    facts |= {"seconds": {"train": 1.0, "measure": 1.0}}
    measured = {trial.measurements[0].key: {"measurement": {"probe": "accuracy"}, "rows": []}}
    (directory / "results.json").write_text(json.dumps(facts | {"measurements": measured}))
    assert cost_of(timed[0], trial)["seconds_left"] == 0


def test_an_architecture_is_timed_once_and_the_timing_stored(timed, tmp_path):
    estimator, timed_archs = timed
    for seed in (0, 1):
        cost_of(estimator, trial_of(oat(seed=seed)))
    cost_of(CostEstimator(tmp_path), trial_of(oat(norm="normal")))
    assert timed_archs == ["wrn-10-1"]
    (tmp_path / "machine.json").write_text("{damaged")
    cost_of(CostEstimator(tmp_path), trial_of(oat()))
    assert timed_archs == ["wrn-10-1"] * 2


def test_a_method_with_networks_of_its_own_is_timed_by_itself(timed):
    """FLOAT's convolutions add noise, so that the CPU kernels do not compute them."""
    estimator, timed_archs = timed
    float_recipe = oat(method="float", lambdas=(0.0, 1.0), encoding="none")
    for recipe in (oat(), float_recipe, float_recipe.model_copy(update={"seed": 1}), oat(seed=1)):
        cost_of(estimator, trial_of(recipe))
    assert timed_archs == ["wrn-10-1"] * 2


def test_a_timing_is_a_plausible_number(monkeypatch):
    monkeypatch.setattr(image_pass_timing, "MIN_SECONDS", 0.01)
    threads, conditions = torch.get_num_threads(), []
    monkeypatch.setattr(
        image_pass_timing,
        "ConditionedModel",
        lambda engine, cond, *rest: conditions.append(cond) or ConditionedModel(engine, cond, *rest),
    )
    seconds = image_pass_timing.time_image_pass(oat(widths=WIDTHS), INFO, "fp32", 0.5, "cpu")
    assert 1e-7 < seconds < 0.1 and torch.get_num_threads() == threads
    assert [cond.width for cond in conditions] == [0.5]


def test_parameters_and_activations_are_those_of_the_network():
    """Counted in a pass of the real network: every convolution's output, every parameter's values."""
    recipe, outputs = oat(), []
    net = build(recipe, 1, 10)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: outputs.append(output[0].numel()))
    net.eval()(torch.zeros(1, *INFO.shape), torch.zeros(1))
    assert cost(recipe, INFO.shape, 10).activations == sum(outputs)
    assert parameter_count(recipe, 1, 10) == sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("fields", [{"arch": "wrn-10-500"}, {"batch": 10**9}])
def test_a_network_that_no_machine_holds_is_refused_before_it_is_made(fields, timed):
    estimator, timed_archs = timed
    trial = trial_of(oat(**fields))
    with pytest.raises(BadInput, match="training takes at least .* GB of memory, and here are .*: take a smaller arch"):
        estimator.trial_cost(trial, INFO, list(trial.measurements))
    assert timed_archs == []


def test_a_finished_network_needs_no_memory(timed):
    estimator, _ = timed
    trial = trial_of(oat(batch=10**9))
    assert estimator.trial_cost(trial, INFO, [])["seconds_left"] >= 0
