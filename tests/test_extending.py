"""The examples of docs/extending.md, run as they stand there: each is a plugin."""

import hashlib
import json
import re
import sys

import pytest
import torch

from bench.attacks.attack_options import attack_of
from bench.data import load
from bench.engines import engine_for
from bench.errors import BadInput
from bench.models import build
from bench.spec import plugins
from bench.spec.costs import training_passes
from bench.spec.expand import Options, plan
from bench.spec.lambda_sets import S1
from bench.spec.measurement import Measurement
from bench.spec.plugins import load_plugins
from bench.spec.recipe import Recipe
from bench.spec.registry import ATTACKS, METHODS, NORMS, PROBES, TABLES, Norm, resolve
from bench.training import objectives
from reports.figures import find_figures
from tests.command import ROOT, bench

EXTENDING = (ROOT / "docs" / "extending.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", EXTENDING, re.DOTALL))
(SUITE,) = re.findall(r"```yaml\n(.*?)```", EXTENDING, re.DOTALL)
SCALE = """
scale: tiny
about: a test
lr: [0.1]
train_images: 64
test_images: 16
recipe: {arch: wrn-10-1, epochs: 1, batch: 32, epsilon: 0.3, attack_steps: 1, heldout: 20}
datasets: {cifar10: {source: digits}}
"""


@pytest.fixture
def files(tmp_path):
    """The examples as files, by name."""
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in EXAMPLES}


@pytest.fixture
def loaded(files, monkeypatch):
    """The examples loaded as plugins; registry and modules are restored after the test."""
    before = {kind: dict(table) for kind, table in TABLES.items()}
    monkeypatch.setattr(plugins, "LOADED", {})
    load_plugins(files.values())
    yield
    for kind, table in TABLES.items():
        table.clear()
        table.update(before[kind])
    for name in EXAMPLES:
        del sys.modules[f"bench_plugin_{name.removesuffix('.py')}"]


@pytest.fixture
def digits(tmp_path):
    return load("digits", root=tmp_path, heldout=200).train.slice(0, 32)


def recipe_of(**fields) -> Recipe:
    names = {"dataset": "digits", "data_hash": "x", "augment": "none", "arch": "wrn-10-1", "encoding": "ro-128"}
    sizes = {"heldout": 1, "epsilon": 0.3, "lr": 0.1, "epochs": 1, "batch": 32}
    return Recipe(**(names | sizes | {"method": "oat", "lambdas": S1} | fields))


def test_the_method_trains(digits, loaded):
    recipe = recipe_of(method="oat_alp", norm="dual")
    net, rng = build(recipe, 1, 10), torch.Generator().manual_seed(0)
    lam = torch.tensor([0.0] * 8 + [0.4] * 24)
    batch = objectives.Batch(digits.images / 255, digits.labels, lam, 8, rng)
    terms = list(resolve(METHODS["oat_alp"])(engine_for(net.train(), "cpu"), recipe, batch))
    sum(terms).backward()
    assert len(terms) == 2 and all(p.grad is not None for p in net.parameters())
    assert training_passes(recipe, 33) - training_passes(recipe_of(norm="dual"), 33) == pytest.approx(32 * 5 / 6 * 3)


def test_the_figures_are_found(loaded):
    spec = find_figures()["signs"]
    assert list(find_figures())[-2:] == ["signs", "confidence"] and spec.keep["attack"] == ["signs"]


def test_the_attack_attacks(digits, loaded):
    x, y = digits.images / 255, digits.labels
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 10)

    def logits(images):
        return linear(images.flatten(1))

    def loss(attack):
        measurement = Measurement(attack=attack, epsilon=0.1, step=0.025, lambdas=(0.4,))
        adv = attack_of(measurement)(logits, x, y, torch.Generator().manual_seed(0))
        assert (adv - x).abs().max() <= 0.1 + 1e-6 and adv.min() >= 0 and adv.max() <= 1
        assert (adv != x).float().mean() > 0.5
        return torch.nn.functional.cross_entropy(logits(adv), y).item()

    losses = {name: loss(name) for name in ATTACKS if name != "autoattack"}  # which leaves what withstands it as it is
    assert min(losses, key=losses.get) == "signs"  # as its docstring says


def test_the_norm_is_slow(loaded):
    net = build(recipe_of(norm="slow"), 1, 10)
    momenta = {module.momentum for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)}
    assert momenta == {0.01} and len(net.norms) == 7


def test_the_norm_by_image_normalises_each_image_alone(digits, loaded):
    net = build(recipe_of(norm="group"), 1, 10).eval()
    engine, x = engine_for(net, "cpu"), digits.images / 255
    together, alone = (
        engine.logits(images, engine.condition(torch.full((len(images),), 0.4))) for images in (x, x[:1])
    )
    assert torch.allclose(together[:1], alone, atol=1e-5)
    assert not torch.allclose(engine.logits(2 * x, engine.condition(torch.full((32,), 0.4))), together)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())


def test_a_norm_that_is_not_conditional_is_refused(monkeypatch):
    monkeypatch.setitem(NORMS, "plain", Norm("plain", lambda channels, film, widths: torch.nn.GroupNorm(4, channels)))
    with pytest.raises(BadInput, match="norm 'plain' is a GroupNorm; a ConditionalNorm is expected"):
        build(recipe_of(norm="plain"), 1, 10)


def test_the_probe_measures(digits, loaded, tmp_path):
    engine = engine_for(build(recipe_of(), 1, 10).eval(), "cpu")
    measurement = Measurement(probe="confidence", lambdas=(0.0, 1.0))
    rows = list(resolve(PROBES["confidence"])(engine, digits, measurement, tmp_path))
    assert [(row["lam"], row["n"]) for row in rows] == [(0.0, 32), (1.0, 32)]
    assert all(0.1 <= row["confidence"] <= 1 for row in rows)


def test_the_suite_is_planned(tmp_path, loaded):
    (tmp_path / "mine.yaml").write_text(SUITE)
    mine = plan(tmp_path / "mine.yaml", "smoke", Options(seeds=1))
    labels = {m.attack_label for trial in mine.trials for m in trial.measurements if m.probe == "accuracy"}
    assert labels == {"signs", "signs-r10"} and len(mine.trials) == 8
    asked = [m for m in mine.trials[-1].measurements if m.probe == "confidence"]
    assert [m.canonical() for m in asked] == ['{"lambdas":[0.0,0.1,0.2,0.3,0.4,1.0],"probe":"confidence"}']


def test_plugins_on_the_command_line(tmp_path, files):
    """Trained and measured by Ray's workers; planned without them, their names are unknown."""
    suite, scale, runs = tmp_path / "mine.yaml", tmp_path / "tiny.yaml", tmp_path / "runs"
    suite.write_text(SUITE.replace("{method: pgd_at, lam: S1}", "{method: pgd_at, lam: 1}"))
    scale.write_text(SCALE)
    words = (suite, "--scale", scale, "--runs", runs)
    with_plugins = [word for path in files.values() for word in ("--plugin", path)]
    unknown = bench("plan", *words)
    assert unknown.returncode == 2 and "mine.yaml:12: unknown attack 'signs'" in unknown.stderr
    planned = bench("plan", *words, *with_plugins, "--json")
    keys = [trial["key"] for trial in json.loads(planned.stdout)["trials"]]
    done = bench("run", *words, *with_plugins, "--cpus-per-trial", 2)  # one worker, on a machine of two cores
    assert done.returncode == 0, done.stdout + done.stderr
    for key in keys:
        results = json.loads((runs / "trials" / key / "results.json").read_text())
        hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in EXAMPLES.items()}
        assert results["provenance"]["plugins"] == hashes
        measured = {m["measurement"].get("probe", "accuracy"): m["rows"] for m in results["measurements"].values()}
        assert measured.keys() == {"accuracy", "confidence"} and all(measured.values())
    for figure in ("signs", "confidence"):
        assert len((runs / "report" / f"{figure}.csv").read_text().splitlines()) > 1
        assert (runs / "report" / f"{figure}.png").exists()
    assert bench("show", keys[-1], "--runs", runs).returncode == 0  # needs no plugin
    recipe, alone = runs / "trials" / keys[-1] / "recipe.json", tmp_path / "alone"
    done = bench("trial", recipe, "--directory", alone, "--test-images", 16, *with_plugins)
    assert done.returncode == 0, done.stderr
    assert json.loads((alone / "results.json").read_text())["provenance"]["plugins"] == hashes
    assert bench("trial", recipe, "--directory", alone).returncode == 2  # an unknown method
