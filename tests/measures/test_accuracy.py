"""SA and RA against a plain loop over images."""

import functools

import pytest
import torch

from bench.attacks.pgd import pgd
from bench.data import Images
from bench.engines import engine_for
from bench.engines.eager import EagerEngine
from bench.measures import accuracy as module
from bench.measures import correct_bits
from bench.measures.accuracy import accuracy
from bench.spec.lambda_sets import S1
from bench.spec.measurement import Measurement
from tests.recipes import images, lively, oat

NET = lively(oat())
ENGINE = engine_for(NET, "cpu")
X, Y = images(50)
PART = Images((X * 255).to(torch.uint8), Y)
MEASUREMENT = Measurement(epsilon=0.1, step=0.025, lambdas=S1)


def labels_of(net, lam) -> torch.Tensor:
    """Labels that make about two thirds of the images correct."""
    with torch.no_grad():
        guess = net.eval()(PART.images.float() / 255, torch.full((50,), lam)).argmax(1)
    return torch.where(torch.arange(50) % 3 == 0, (guess + 1) % 10, guess)


@functools.cache
def plain_loop(lam: float, seed: int) -> tuple[list[bool], list[bool]]:
    """Which images are correct, and which stay so under PGD-7, one by one."""
    x, y, cond = PART.images.float() / 255, labels_of(NET, lam), torch.full((50,), lam)
    adv = pgd(lambda z: NET(z, cond), x, y, 0.1, 0.025, 7, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return tuple([bool(NET(z[i : i + 1], cond[:1]).argmax() == y[i]) for i in range(50)] for z in (x, adv))


@pytest.mark.parametrize(("lam", "seed"), [(0.0, 0), (0.2, 0), (0.35, 1)])
def test_counts_equal_a_plain_loop(lam, seed, make_engine):
    part = Images(PART.images, labels_of(NET, lam))
    row = accuracy(make_engine(NET.eval()), part, MEASUREMENT.of_seed(seed), lam)
    clean, robust = plain_loop(lam, seed)
    assert correct_bits.decode(row["clean_hits"], 50).tolist() == clean
    assert correct_bits.decode(row["robust_hits"], 50).tolist() == robust
    assert sum(clean) == 33
    assert correct_bits.without(row) == {
        "lam": lam,
        "width": 1.0,
        "attack": "pgd7",
        "n": 50,
        "clean_correct": sum(clean),
        "robust_correct": sum(robust),
    }
    assert sum(robust) < sum(clean)


def test_it_is_deterministic_in_eval_mode_whatever_the_network_s_own_mode(make_engine):
    engine = make_engine(NET)
    rows = []
    for training in (True, False):
        NET.train(training)
        before = {name: buffer.clone() for name, buffer in NET.named_buffers()}
        torch.manual_seed(5 + training)
        rows.append(accuracy(engine, PART, MEASUREMENT, 0.2))
        assert NET.training == training
        assert all(torch.equal(buffer, before[name]) for name, buffer in NET.named_buffers())
    assert rows[0] == rows[1]


def test_batches_change_no_count(monkeypatch):
    part = Images(PART.images, labels_of(NET, 0.2))
    whole = accuracy(ENGINE, part, MEASUREMENT, 0.2)
    monkeypatch.setattr(module, "BATCH", 16)
    parts = accuracy(ENGINE, part, MEASUREMENT, 0.2)
    assert parts["clean_hits"] == whole["clean_hits"] and parts["clean_correct"] == whole["clean_correct"]
    assert parts["n"] == 50


class SmallMemory(EagerEngine):
    """Has room for 12 images at once, for 3 in the pass of a number."""

    def __init__(self, net, tight_pass=None):
        super().__init__(net)
        self.sizes, self.tight_pass = [], tight_pass

    def logits(self, x, cond):
        self.sizes.append(len(x))
        if len(x) > (3 if len(self.sizes) == self.tight_pass else 12):
            raise torch.OutOfMemoryError("out of memory")
        return super().logits(x, cond)


def test_a_batch_that_does_not_fit_is_halved_and_the_attack_has_the_same_starts(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 40)
    part, emptied = Images(PART.images, labels_of(NET, 0.2)), []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    engine = SmallMemory(NET)
    small, whole = accuracy(engine, part, MEASUREMENT, 0.2), accuracy(EagerEngine(NET), part, MEASUREMENT, 0.2)
    assert small == whole and len(emptied) == 2
    assert engine.sizes[:3] == [40, 20, 10] and set(engine.sizes[2:]) == {10}


def test_a_batch_is_halved_in_the_middle_of_an_attack_too():
    part = Images(PART.images, labels_of(NET, 0.2)).slice(0, 12)
    rows = [accuracy(engine, part, MEASUREMENT, 0.2) for engine in (SmallMemory(NET, 5), EagerEngine(NET))]
    assert rows[0] == rows[1]


def test_one_image_that_does_not_fit_is_an_error(monkeypatch):
    def logits(*_):
        raise torch.OutOfMemoryError("out of memory")

    engine = EagerEngine(NET)
    monkeypatch.setattr(engine, "logits", logits)
    with pytest.raises(torch.OutOfMemoryError):
        accuracy(engine, PART, MEASUREMENT, 0.2)


def test_more_restarts_never_leave_more_images_robust(monkeypatch):
    """In any number of batches."""
    monkeypatch.setattr(module, "BATCH", 8)
    part = Images(PART.images, labels_of(NET, 0.2))
    attack = {"epsilon": 0.03, "step": 0.01, "steps": 2, "lambdas": S1}
    counts = [accuracy(ENGINE, part, Measurement(**attack, restarts=n), 0.2)["robust_correct"] for n in range(1, 7)]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1] > 0


@pytest.mark.parametrize(("options", "dtype"), [({}, torch.float32), ({"precision": "bf16"}, torch.bfloat16)])
def test_it_computes_in_fp32_whatever_the_recipe_was_trained_in(options, dtype, make_engine):
    net, dtypes = lively(oat(precision="bf16")), set()
    net.blocks[0].conv2.register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
    engine = make_engine(net)
    accuracy(engine, PART.slice(0, 4), MEASUREMENT, 0.2, **options)
    assert ({plan.dtype for plan in engine.plans} if hasattr(engine, "plans") else dtypes) == {dtype}


@pytest.fixture
def attack_calls(monkeypatch):
    """The arguments of every call of the attack `pgd`, which is replaced by one that returns the images unchanged."""
    calls = []

    def run(logits, x, y, rng, **arguments):
        calls.append(arguments | {"rng": rng.get_state(), "outputs": logits(x)})
        return x

    monkeypatch.setattr("bench.attacks.pgd.pgd", run)
    return calls


def test_the_attack_is_the_measurement_s(attack_calls):
    accuracy(ENGINE, PART, Measurement(epsilon=0.2, step=0.07, lambdas=S1), 0.0)
    accuracy(ENGINE, PART, Measurement(epsilon=0.2, step=0.07, lambdas=S1, steps=3, start="image", restarts=2), 0.0)
    budgets = [{name: call[name] for name in ("epsilon", "step", "steps", "start")} for call in attack_calls]
    first = {"epsilon": 0.2, "step": 0.07, "steps": 7, "start": "uniform"}
    assert budgets == [first] + [first | {"steps": 3, "start": "image"}] * 2


def test_a_row_is_named_by_what_was_changed_in_the_attack(attack_calls):
    attack = {"epsilon": 0.2, "step": 0.07, "lambdas": S1}
    changed = [{}, {"steps": 50, "restarts": 10}, {"start": "image"}, {"targeted": True}]
    names = [accuracy(ENGINE, PART.slice(0, 2), Measurement(**attack, **more), 0.0)["attack"] for more in changed]
    assert names == ["pgd7", "pgd7-50steps-r10", "pgd7-image", "pgd7-targeted"]


def test_a_width_is_attacked_and_judged_by_its_own_sub_network(attack_calls, make_engine):
    net = lively(oat(widths=(0.5, 1.0))).eval()
    expected = {}
    for width in (0.5, 1.0):
        with torch.no_grad():
            expected[width] = net(PART.images / 255, net.condition(torch.tensor([0.2]), width=width))
        part = Images(PART.images, expected[width].argmax(1))
        row = accuracy(make_engine(net), part, Measurement(epsilon=0.2, step=0.1, lambdas=S1, width=width), 0.2)
        assert (row["width"], row["clean_correct"], row["robust_correct"]) == (width, 50, 50)
        torch.testing.assert_close(attack_calls[-1]["outputs"], expected[width], atol=1e-4, rtol=1e-4)
    assert not torch.equal(expected[0.5].argmax(1), expected[1.0].argmax(1))


def test_every_network_and_lambda_is_attacked_from_the_same_start(attack_calls):
    accuracy(ENGINE, PART, MEASUREMENT, 0.0)
    accuracy(engine_for(lively(oat(seed=2)), "cpu"), PART, MEASUREMENT, 0.4)
    assert torch.equal(*(call["rng"] for call in attack_calls))
