"""The examples of docs/extending.md do what they say: each is run as it stands there."""

import re

import pytest
import torch

from bench.attacks.from_measurement import attack_of
from bench.data import load
from bench.engines import engine_for
from bench.models import build
from bench.spec.expand import Options, plan
from bench.spec.lambda_sets import S1
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.registry import ATTACKS, METHODS, resolve
from bench.training import objectives
from tests.command import ROOT

EXTENDING = (ROOT / "docs" / "extending.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", EXTENDING, re.DOTALL)


@pytest.fixture
def digits(tmp_path):
    return load("digits", root=tmp_path, heldout=200).train.slice(0, 32)


def test_the_method_example_trains(digits, monkeypatch):
    monkeypatch.setitem(METHODS, "oat_alp", None)  # so that the entry is removed after the test
    del METHODS["oat_alp"]
    exec(EXAMPLES[0], {})
    names = {"dataset": "digits", "data_hash": "x", "augment": "none", "arch": "wrn-10-1", "method": "oat_alp"}
    sizes = {"heldout": 1, "epsilon": 0.3, "lr": 0.1, "epochs": 1, "batch": 32}
    recipe = Recipe(**names, **sizes, lambdas=S1, norm="dual", encoding="ro-128")
    net, rng = build(recipe, 1, 10), torch.Generator().manual_seed(0)
    lam = torch.tensor([0.0] * 8 + [0.4] * 24)
    batch = objectives.Batch(digits.images / 255, digits.labels, lam, 8, rng)
    terms = list(resolve(METHODS["oat_alp"])(engine_for(net.train(), "cpu"), recipe, batch))
    sum(terms).backward()
    assert len(terms) == 2 and all(p.grad is not None for p in net.parameters())


@pytest.fixture
def signs(monkeypatch):
    """The attack of the example, among ATTACKS for the time of a test."""
    monkeypatch.setitem(ATTACKS, "signs", None)
    del ATTACKS["signs"]
    exec(EXAMPLES[1], {})
    return ATTACKS["signs"]


def test_the_attack_example_attacks(digits, signs):
    x, y = digits.images / 255, digits.labels
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 10)

    def logits(images):
        return linear(images.flatten(1))

    def loss(attack):
        what, rng = (
            Measurement(attack=attack, epsilon=0.1, step=0.025, lambdas=(0.4,)),
            torch.Generator().manual_seed(0),
        )
        adv = attack_of(what)(logits, x, y, rng)
        assert (adv - x).abs().max() <= 0.1 + 1e-6 and adv.min() >= 0 and adv.max() <= 1
        assert (adv != x).float().mean() > 0.5
        return torch.nn.functional.cross_entropy(logits(adv), y).item()

    losses = {name: loss(name) for name in ATTACKS if name != "autoattack"}  # which leaves what withstands it as it is
    assert min(losses, key=losses.get) == "signs"  # as its docstring says


def test_the_suite_example_is_planned(tmp_path, signs):
    (text,) = re.findall(r"```yaml\n(.*?)```", EXTENDING, re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    made = plan(path, "laptop", Options(seeds=1))
    labels = {what.attack_label for trial in made.trials for what in trial.measurements}
    assert labels == {"signs", "signs-r10"} and len(made.trials) == 7
