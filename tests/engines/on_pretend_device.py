"""The GPU's path, on a device that refuses what a GPU refuses and counts what makes a GPU slow (pretend_device.py).

Results equal, bit for bit, those on the CPU with the same engine, which test_conformance.py compares with the plain
network.
"""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from bench.data import Images
from bench.engines import engine_for
from bench.engines.gpu.engine import GpuEngine
from bench.measures.accuracy import accuracy
from bench.models import build
from bench.run import image_pass_timing
from bench.spec import registry
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.speed.gpu_check import attack_times, loss_comparison, step_times
from bench.speed.gpu_check.loss_comparison import Training
from bench.speed.workloads import WORKLOADS
from bench.training import lambda_sampling, loop, objectives
from bench.training.optimiser import sgd
from tests.engines import pretend_device
from tests.engines.launch_counts import LAUNCHES, MIXED, step_cost
from tests.engines.pretend_device import DEVICE, WrongDevice, computing
from tests.recipes import digits, images, lively, oat, pgd_at

CPU = torch.device("cpu")
QUICK = {"epochs": 1, "batch": 16, "train_images": 24, "heldout": 8, "attack_steps": 2, "lambdas": (0.0, 0.2)}
DROPOUT = {"fp32": 0.3, "bf16": 0.0}  # in bf16 torch's dropout on a CPU rounds otherwise than on other devices
OAT, TRADES = {"method": "oat", "beta": None}, {"method": "oat_trades", "beta": 6.0}
# Each norm, and each method in both precisions.
PAIRS = [(OAT, "dual", "bf16"), (OAT, "dual-affine", "fp32")]
PAIRS += [(TRADES, "normal", "bf16"), (TRADES, "dual", "fp32")]
TRAININGS = {
    f"{method['method']}-{norm}-{precision}": oat(
        norm, precision=precision, dropout=DROPOUT[precision], **method, **QUICK
    )
    for method, norm, precision in PAIRS
}
TRAININGS |= {
    f"pgd-at-{precision}": pgd_at(precision=precision, dropout=0.0, **QUICK | {"lambdas": ()})
    for precision in ("bf16", "tf32")  # in tf32 the device computes what it does in fp32
}
TRAININGS["oats"] = oat(widths=(0.5, 1.0), **QUICK)
TRAININGS["float"] = oat(method="float", **QUICK | {"lambdas": (0.0, 1.0), "encoding": "none"})
TRAININGS["mma"] = oat(method="oat_mma", max_margin=4.0, **QUICK)
TRAININGS["solar"] = oat(method="oat_sol", widths=(0.5, 1.0), **QUICK)
TRAININGS["without-film"] = oat("dual-without-film", **QUICK)
TRAININGS["augmented-averaged"] = oat(ema=0.5, **QUICK | {"augment": "crop-flip"})
assert {recipe.method for recipe in TRAININGS.values()} == set(registry.METHODS)
assert {recipe.norm for recipe in TRAININGS.values()} == set(registry.NORMS)


def trained(recipe: Recipe, directory, device: torch.device) -> tuple[list[dict], dict[str, torch.Tensor]]:
    """Rows without their time, and weights, of a whole training."""
    rows = list(loop.train(recipe, digits(recipe), directory, device))
    return [row | {"seconds": 0} for row in rows], load_file(directory / "weights.safetensors")


def assert_close(rows: list[dict], weights: dict, other: tuple[list[dict], dict], recipe: Recipe) -> None:
    """Loss, and the updates of all weights, up to rounding, which the signs of an attack may make larger."""
    other_rows, other_weights = other
    start, bound = build(recipe, 1, 10).state_dict(), 0.2 if recipe.precision == "bf16" else 0.01
    floats = [name for name, value in start.items() if value.is_floating_point()]
    error = sum((weights[name] - other_weights[name]).square().sum() for name in floats)
    assert error.sqrt() < bound * sum((weights[name] - start[name]).square().sum() for name in floats).sqrt()
    assert rows[0]["loss"] == pytest.approx(other_rows[0]["loss"], rel=bound / 20)


@pytest.mark.parametrize("recipe", TRAININGS.values(), ids=TRAININGS)
def test_an_epoch_equals_the_cpu_s(recipe, tmp_path, monkeypatch):
    few_steps = dataclasses.replace(registry.ATTACKS["pgd7"], steps=2)  # on held-out images
    monkeypatch.setitem(registry.ATTACKS, "pgd7", few_steps)
    with computing() as counter:
        rows, weights = trained(recipe, tmp_path / "device", DEVICE)
    assert counter.launches["convolution"] > 50
    on_cpu = recipe.model_copy(update={"precision": "fp32"}) if recipe.precision == "tf32" else recipe
    monkeypatch.setenv("BENCH_ENGINE", "gpu")
    same_rows, same_weights = trained(on_cpu, tmp_path / "cpu", CPU)
    if recipe.method == "oat_trades" and recipe.precision == "bf16":
        # Two passes in one graph share autocast's bf16 copies of the weights on a CPU, as on a GPU, and not here.
        assert_close(rows, weights, (same_rows, same_weights), recipe)
    else:
        assert rows == same_rows
        assert all(torch.equal(value, same_weights[name]) for name, value in weights.items())


# --- attacks and probes

NET_RECIPE = oat(attack_steps=2)
PART = Images((images(24)[0] * 255).to(torch.uint8), images(24)[1])
BUDGET = {"epsilon": 0.1, "step": 0.03}
# One of each kind, without AutoAttack, whose package knows cuda and cpu alone.
ATTACKS = {"pgd7": 7, "mifgsm": 10, "fgsm": None, "square": 30, "cw50": 4}
assert (
    len({registry.ATTACKS[name].target for name in ATTACKS}) == len({a.target for a in registry.ATTACKS.values()}) - 1
)
CHANGED = [{"restarts": 2}, {"targeted": True, "steps": 2}]
TIMES = {"milliseconds", "switched_milliseconds", "device"}


def on(device: torch.device, function):
    """function(engine, images) with a network on a device."""
    net, part = lively(NET_RECIPE).eval(), PART
    labels = net(PART.images / 255, torch.full((24,), 0.3)).argmax(1)
    part = Images(PART.images, torch.where(torch.arange(24) % 4 == 0, (labels + 1) % 10, labels))
    if device is CPU:
        return function(GpuEngine(net), part)
    with computing():
        return function(engine_for(net.to(device), device), part.to(device))


@pytest.mark.parametrize(
    "options",
    [{"attack": name, "steps": steps} for name, steps in ATTACKS.items()]
    + [{"attack": "pgd7"} | more for more in CHANGED],
    ids=str,
)
def test_an_attack_equals_the_cpu_s(options):
    measurement = Measurement(**BUDGET, lambdas=(0.2,), **options)
    on_device, on_cpu = (on(device, lambda *pair: accuracy(*pair, measurement, 0.2)) for device in (DEVICE, CPU))
    assert on_device == on_cpu and on_device["clean_correct"] > on_device["robust_correct"]


DRAWS = {"uniform_", "normal_", "randint", "rand", "randn", "bernoulli_"}


@pytest.mark.parametrize("options", [{"attack": "pgd7", "restarts": 2}, {"attack": "square", "steps": 5}], ids=str)
def test_an_evaluation_draws_on_the_cpu(options):
    """So that its starts are the same on every GPU model."""
    net, measurement = lively(NET_RECIPE).eval(), Measurement(**BUDGET, lambdas=(0.2,), **options)
    with computing() as counter:
        accuracy(engine_for(net.to(DEVICE), DEVICE), PART.to(DEVICE), measurement, 0.2)
    assert not counter.launches.keys() & DRAWS and any("bench/attacks" in place for place in counter.copies)


PROBES = [name for name in registry.PROBES if name != "accuracy"]


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_equals_the_cpu_s(probe, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.measures.gradient_masking.QUERIES", 12)
    monkeypatch.setattr("bench.measures.gradient_masking.STEPS", (2, 4))
    monkeypatch.setattr("bench.measures.gradient_masking.RESTART_STEPS", 2)
    measurement = Measurement(probe=probe, **BUDGET, lambdas=(0.0, 0.2), images=(1, 5), steps=2)
    function = registry.resolve(registry.PROBES[probe])
    rows = []
    for device in (DEVICE, CPU):
        directory = tmp_path / device.type
        directory.mkdir()
        rows.append(on(device, lambda *pair, directory=directory: list(function(*pair, measurement, directory))))
    without_times = [[{k: v for k, v in row.items() if k not in TIMES} for row in each] for each in rows]
    assert without_times[0] == without_times[1] and rows[0]
    maps = [load_file(path) for path in sorted(tmp_path.glob("*/*.safetensors"))]
    assert len(maps) == 2 * (probe == "saliency")
    assert all(torch.equal(value, maps[1][name]) for name, value in (maps[0] if maps else {}).items())


def test_a_pass_is_timed_on_the_device(monkeypatch):
    monkeypatch.setattr(image_pass_timing, "MIN_SECONDS", 0.01)
    with computing() as counter:
        seconds = image_pass_timing.time_here(oat(batch=4), (1, 8, 8), 10, "fp32", 1.0, DEVICE.type)
    assert 1e-7 < seconds < 1 and counter.launches["convolution"]


# --- the check of a GPU

SMALL_STEP = dataclasses.replace(WORKLOADS["digits"], batch=8)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_gpu_check_trains_as_on_the_cpu(precision, monkeypatch):
    """Same weights, images, λ and attack starts."""
    monkeypatch.setattr(loss_comparison, "STEPS", 2)
    with computing():
        losses = loss_comparison.losses(Training("compared", DEVICE.type, "gpu", precision), SMALL_STEP)
    assert losses == loss_comparison.losses(Training("compared", "cpu", "gpu", precision), SMALL_STEP)


@pytest.mark.parametrize("engine", ["eager", "gpu"])
def test_the_gpu_check_times_work_on_the_device(engine):
    for build_step in (
        lambda: step_times.build_side(step_times.Side(engine, "bf16"), SMALL_STEP, DEVICE, None),
        lambda: attack_times.build_attack(SMALL_STEP, DEVICE, 8, engine, "bf16"),
    ):
        with computing() as counter:
            build_step()()
        assert counter.launches["convolution"] > 50


# --- what a training step costs


@pytest.mark.parametrize(("recipe", "most"), LAUNCHES.values(), ids=LAUNCHES)
def test_a_training_step_waits_for_nothing_copies_nothing_and_keeps_to_its_launches(recipe, most):
    cost = step_cost(recipe)
    assert not cost.waits and not cost.copies
    assert most / 2 < cost.launches.total() <= most, cost.launches.most_common(12)


# --- what the device catches


def one_step() -> pretend_device.Counter:
    recipe = oat(**QUICK)
    net = build(recipe, 1, 10)
    with computing() as counter:
        net = net.to(DEVICE)
        loop.train_epoch(engine_for(net, DEVICE), sgd(net, recipe), recipe, digits(recipe).to(DEVICE), 0)
    return counter


def test_a_misplaced_tensor_is_caught(monkeypatch):
    sample_epoch = lambda_sampling.sample_epoch

    class OnCpu(torch.Tensor):
        def to(self, *arguments, **options):
            return self.as_subclass(torch.Tensor)

    def misplaced(*arguments):
        lam, rows, zeros = sample_epoch(*arguments)
        return lam.as_subclass(OnCpu), rows, zeros

    monkeypatch.setattr(lambda_sampling, "sample_epoch", misplaced)
    with pytest.raises(WrongDevice, match=r"tensors on pretend:0 and cpu, at bench/training/objectives.py"):
        one_step()


def test_a_generator_of_another_device_is_caught(monkeypatch):
    pgd = objectives.pgd

    def attack(logits, x, *arguments, **options):
        return pgd(logits, x, *arguments[:-1], torch.Generator(), **options)

    monkeypatch.setattr(objectives, "pgd", attack)
    monkeypatch.setattr("bench.attacks.pgd.empty_for", lambda rng, x: torch.empty_like(x))
    with pytest.raises(WrongDevice, match="a generator on cpu draws on pretend"):
        one_step()


@pytest.mark.parametrize(("kind", "operator"), [("waits", "_local_scalar_dense"), ("copies", "_to_copy")])
def test_a_wait_or_a_copy_in_a_step_is_caught(kind, operator, monkeypatch):
    count = objectives.count

    def slow_count(batch, outputs, *arguments):
        count(batch, outputs, *arguments)
        outputs.sum().item() if kind == "waits" else torch.ones(3).to(DEVICE)

    monkeypatch.setattr(objectives, "count", slow_count)
    (place, number), *others = getattr(step_cost(oat(**MIXED | {"attack_steps": 2})), kind).items()
    assert place.startswith(f"{operator} at bench/training/objectives.py") and not others
    assert number == 2  # of the clean and the adversarial pass
