"""The plain step is our step: the same loss, gradients and statistics from the same weights, images and λ."""

import pytest
import torch

from bench.attacks import pgd
from bench.data import Dataset, Images
from bench.models import build
from bench.models.lambda_encoding import encode
from bench.spec.recipe import PROTOCOLS
from bench.speed import plain
from bench.speed.cases import CASES, images
from bench.speed.sides import sgd
from bench.training import lambda_sampling
from bench.training.loop import train_epoch


@pytest.mark.parametrize("task", ["oat", "pgd_at"])
@pytest.mark.parametrize("protocol", ["paper", "authors-code"])
def test_a_training_step(task, protocol, monkeypatch):
    case = CASES["digits"]
    fixed = PROTOCOLS[protocol].model_copy(update={"lam_sampling": "fixed-zeros", "film_init": "one"})
    recipe = case.recipe(task, "fp32").model_copy(update={"protocol": fixed, "batch": 12, "lr": 0.1})
    ours = build(recipe, 1, 10)
    dim = 0 if task == "pgd_at" else ours.codebook.shape[1]
    theirs = plain.Network(recipe, 1, dim)
    theirs.load_state_dict({k: v.clone() for k, v in ours.state_dict().items() if k not in ("codebook", "lambdas")})
    pixels, y = images(case, 12, torch.device("cpu"))
    lam, zeros = lambda_sampling.sample(recipe, 12, torch.Generator().manual_seed(0))
    monkeypatch.setattr(lambda_sampling, "sample", lambda *_: (lam, zeros))
    monkeypatch.setattr(torch, "randperm", lambda n, generator: torch.arange(n))
    at_the_image(monkeypatch)

    part = Images(pixels, y)
    row = train_epoch(ours, sgd(ours, recipe), recipe, Dataset("random", 10, part, part, part), 0)
    optimiser = sgd(theirs, recipe)
    code = None if task == "pgd_at" else encode(lam, ours.lambdas, ours.codebook)
    loss = plain.loss(theirs, pixels / 255, y, lam, code, zeros, recipe)
    loss.backward()
    assert row["loss"] == pytest.approx(loss.item(), rel=1e-5)
    plain_gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert difference({name: parameter.grad for name, parameter in ours.named_parameters()}, plain_gradients) < 1e-5
    optimiser.step()

    expected = theirs.state_dict()
    assert expected.keys() == ours.state_dict().keys() - {"codebook", "lambdas"}
    for name, found in ours.state_dict().items():
        if name in expected:
            torch.testing.assert_close(found, expected[name], atol=1e-4, rtol=1e-4, msg=name)


def difference(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """‖ours - theirs‖ / ‖theirs‖ of all tensors as one vector."""
    apart = sum((ours[name] - grad).square().sum() for name, grad in theirs.items() if grad is not None)
    return (apart / sum(grad.square().sum() for grad in theirs.values() if grad is not None)).sqrt().item()


def at_the_image(monkeypatch) -> None:
    """Both attacks start at the image."""
    begin = pgd.begin
    monkeypatch.setattr(pgd, "begin", lambda x, epsilon, rng, start: begin(x, epsilon, rng, "image"))
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, *_, **__: self.zero_())


@pytest.mark.parametrize("arch", ["resnet34", "wrn-10-2"])
def test_tensors_have_our_names(arch):
    recipe = CASES[arch].recipe("oat", "fp32")
    with torch.device("meta"):
        ours, theirs = build(recipe, 3, 10), plain.Network(recipe, 3, 128)
    shapes = {name: tensor.shape for name, tensor in ours.state_dict().items() if name not in ("codebook", "lambdas")}
    assert {name: tensor.shape for name, tensor in theirs.state_dict().items()} == shapes
