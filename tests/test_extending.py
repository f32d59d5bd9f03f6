"""The examples of docs/extending.md do what they say: each is run as it stands there."""

import re

import pytest
import torch

from bench.attacks import gradient
from bench.data import load
from bench.models import build
from bench.specs import S1, Recipe
from bench.training import objectives
from tests.command import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), re.DOTALL)


@pytest.fixture
def digits(tmp_path):
    return load("digits", root=tmp_path, heldout=200).train.slice(0, 32)


def test_the_method_example_trains(digits, monkeypatch):
    monkeypatch.setattr(objectives, "OBJECTIVES", dict(objectives.OBJECTIVES))
    exec(EXAMPLES[0], {})
    names = {"dataset": "digits", "data_hash": "x", "augment": "none", "arch": "wrn-10-1", "method": "oat_trades"}
    sizes = {"heldout": 1, "epsilon": 0.3, "lr": 0.1, "epochs": 1, "batch": 32}
    recipe = Recipe(**names, **sizes, lambdas=S1, norm="dual", encoding="ro-128")
    net, rng = build(recipe, 1, 10), torch.Generator().manual_seed(0)
    lam = torch.tensor([0.0] * 8 + [0.4] * 24)
    batch = objectives.Batch(digits.images / 255, digits.labels, lam, 8, rng)
    terms = list(objectives.OBJECTIVES["oat_trades"](net.train(), recipe, batch))
    sum(terms).backward()
    assert len(terms) == 2 and all(p.grad is not None for p in net.parameters())


def test_the_attack_example_attacks(digits, monkeypatch):
    monkeypatch.setattr(gradient, "ATTACKS", dict(gradient.ATTACKS))
    space = vars(gradient) | {"ATTACKS": {}, "STEPS": {}}
    exec(EXAMPLES[1], space)
    x, y = digits.images / 255, digits.labels
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 10)
    adv = space["ATTACKS"]["fgsm"](lambda images: linear(images.flatten(1)), x, y, 0.1, 0.1, None)
    assert (adv - x).abs().max() <= 0.1 + 1e-6 and adv.min() >= 0 and adv.max() <= 1
    gain = [torch.nn.functional.cross_entropy(linear(images.flatten(1)), y) for images in (adv, x)]
    assert gain[0] > gain[1]
