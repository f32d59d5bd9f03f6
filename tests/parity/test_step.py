"""Our training loop itself takes the authors' step: train_epoch on one batch, from the images on."""

import pytest
import torch

from bench.attacks import pgd
from bench.authors_checkpoint import authors_name
from bench.data import Dataset, Images
from bench.engines import engine_for
from bench.training import lambda_sampling, loop
from tests.parity import reference
from tests.parity.difference import largest, relative
from tests.parity.networks import Case, batch, pair
from tests.parity.steps import STEPS, in_their_names, of_the_authors, start_at

reference.require()
CASE = Case("resnet34", "dual", slim=True)  # it has all parts: λ, two branches, three widths


def test_an_epoch_of_one_batch_is_the_authors_step(monkeypatch):
    data, recipe = batch(CASE), CASE.recipe
    theirs, ours = pair(CASE, torch.float32, calm=True)
    ours = ours.to(memory_format=torch.channels_last)  # as `build` makes it
    before = in_their_names(ours, CASE)
    before = {name: tensor.clone() for name, tensor in before.items()}
    step = of_the_authors(theirs, CASE, data)
    optimiser = torch.optim.SGD(
        ours.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    momenta = {}  # a momentum, as after earlier steps
    for name, parameter in ours.named_parameters():
        momenta[authors_name(name, recipe)] = momentum = torch.randn_like(parameter) * 0.01
        optimiser.state[parameter]["momentum_buffer"] = momentum.clone()

    monkeypatch.setattr(torch, "randperm", lambda n, generator: torch.arange(n))
    monkeypatch.setattr(lambda_sampling, "sample", lambda recipe, n, rng: (data.lam, CASE.zeros))
    monkeypatch.setattr(pgd, "begin", start_at(iter(step.images[:: STEPS + 1])))
    images = Images((data.x * 255).round().to(torch.uint8), data.y)
    row = loop.train_epoch(engine_for(ours, "cpu"), optimiser, recipe, Dataset("any", 10, images, images, images), 0)

    expected = {name: 0.9 * momenta[name] + step.updates[name] for name in momenta}
    after = in_their_names(ours, CASE)
    assert relative({name: (before[name] - after[name]) / 0.1 for name in expected}, expected) < 1e-4  # fp32 weights
    running = [name for name in step.state if "running" in name]
    assert largest([after[name] for name in running], [step.state[name] for name in running]) < 1e-4
    assert row["lr"] == pytest.approx(0.1)
