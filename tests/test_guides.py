"""The examples of docs/guides: a method that trains, an attack that attacks, a network in use, numbers for LaTeX."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from bench.attacks.attack_options import attack_of
from bench.engines import engine_for
from bench.models import build
from bench.spec.expand import Options, plan
from bench.spec.measurement import Measurement
from bench.spec.plugins import load_plugins
from bench.spec.registry import METHODS, resolve
from bench.training import objectives
from reports.figures import find_figures
from reports.page.latex import write_latex
from tests.command import ROOT, TINY
from tests.page_examples import write_examples
from tests.random_network import write_network
from tests.recipes import images, oat

GUIDES = ROOT / "docs" / "guides"


@pytest.fixture
def plugins(tmp_path, registry_restored):
    """Load the plugins of a guide; returns the folder of its files."""

    def load(guide: str):
        write_examples([GUIDES / f"{guide}.md"], tmp_path)
        load_plugins(tmp_path.glob("*.py"))
        return tmp_path

    return load


def test_the_method_trains_and_weighs_unsure_images_more(plugins):
    folder = plugins("own-method")
    x, y = images(32, (1, 8, 8))
    lam = torch.tensor([0.0] * 8 + [0.4] * 24)
    losses = {}
    for method in ("oat", "weighted_oat"):
        recipe = oat(method=method)
        torch.manual_seed(0)
        net = build(recipe, 1, 10).train()
        batch = objectives.Batch(x, y, lam, 8, torch.Generator().manual_seed(0))
        terms = list(resolve(METHODS[method])(engine_for(net, "cpu"), recipe, batch))
        sum(terms).backward()
        assert all(parameter.grad is not None for parameter in net.parameters())
        losses[method] = [term.item() for term in terms]
    assert losses["weighted_oat"][0] == pytest.approx(losses["oat"][0], rel=1e-4)
    assert 1 < losses["weighted_oat"][1] / losses["oat"][1] < 2
    trials = plan(folder / "my-method.yaml", str(ROOT / TINY), Options(seeds=1)).trials
    assert [trial.recipe.method for trial in trials] == ["pgd_at"] * 6 + ["oat", "weighted_oat"]


def test_the_attack_raises_the_loss_within_epsilon(plugins):
    folder = plugins("own-attack")
    x, y = images(8, (1, 8, 8))
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 10)

    def logits(inputs):
        return linear(inputs.flatten(1))

    measurement = Measurement(attack="spsa", epsilon=0.1, step=0.025, lambdas=(0.4,))
    adv = attack_of(measurement)(logits, x, y, torch.Generator().manual_seed(0))
    assert (adv - x).abs().max() <= 0.1 + 1e-6 and adv.min() >= 0 and adv.max() <= 1
    loss = torch.nn.functional.cross_entropy
    best = (x + 0.1 * torch.autograd.grad(loss(logits(x.requires_grad_()), y), x)[0].sign()).clamp(0, 1)
    clean, attacked, white_box = (loss(logits(inputs), y).item() for inputs in (x, adv, best))
    assert attacked - clean > (white_box - clean) / 2  # with the true gradient it would be all
    assert find_figures()["spsa"].keep["attack"] == ["spsa"]
    (measured,) = plan(folder / "my-attack.yaml", str(ROOT / TINY), Options(seeds=1)).trials[-1].measurements
    assert (measured.attack_label, measured.test_images, measured.lambdas) == ("spsa", 16, (0.0, 1.0))


def test_a_network_is_used_as_the_guide_says(tmp_path, monkeypatch):
    page = (GUIDES / "use-a-model.md").read_text("utf-8")
    use, export = (block.partition("```")[0] for block in page.split("```python\n")[1:])
    recipe = oat(widths=(0.5, 1.0))
    net = write_network(recipe, tmp_path / "trials" / recipe.key)
    monkeypatch.setenv("BENCH_RUNS", str(tmp_path))
    space = {}
    exec(use.replace("0dbc", recipe.key[:6]), space)
    assert space["probabilities"].sum(1).allclose(torch.ones(2)) and space["changed"].dtype == torch.bool
    assert not space["narrow"].allclose(space["oat"](space["images"], 0.3))
    # tests/run/test_export_command.py exports a network and checks that the program takes these two arguments
    program = SimpleNamespace(module=lambda: lambda x, lam: net(x, net.condition(lam, training=False)))
    monkeypatch.setattr(torch.export, "load", lambda path: program)
    exec(export, space)
    assert space["logits"].shape == (5, 10)


def test_the_tutorial_writes_a_photo(tmp_path, monkeypatch):
    (code,) = re.findall(r'^python -c "(.+)"$', (ROOT / "docs" / "tutorial.md").read_text("utf-8"), re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    photo = np.asarray(Image.open("photo.png"))
    assert photo.shape == (8, 8) and photo.max() > 200


def test_latex_knows_the_numbers_of_the_guide(tmp_path):
    for path in (ROOT / "docs" / "results" / "laptop").glob("*.json"):
        shutil.copy(path, tmp_path)
    macros = write_latex(tmp_path).read_text("utf-8")
    names = re.findall(r"\\oat\{(.+?)\}", (GUIDES / "write-it-up.md").read_text("utf-8"))
    assert len(names) == 3 and all(f"oat:{name}\\endcsname" in macros for name in names)
