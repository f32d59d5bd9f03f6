"""OAT with MMA's loss: the margin against its closed form, loss and gradients against fp64 by hand, and its passes."""

from types import SimpleNamespace

import pytest
import torch

from bench.engines.eager import EagerEngine
from bench.spec.costs import training_passes
from bench.spec.registry import METHODS, resolve
from bench.training import mma
from tests.recipes import oat, pgd_at
from tests.training.test_objectives import ADV, LAM, X, Y, backward, batch_of, double, gradients


def oat_mma(norm: str = "dual", **fields):
    return oat(norm, **({"method": "oat_mma", "max_margin": 4.0} | fields))


def test_the_soft_margin_is_its_definition_and_bounds_the_margin():
    outputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for z, y, value in zip(outputs, Y % 5, mma.soft_margin(outputs, Y % 5), strict=True):
        wrong = torch.cat([z[:y], z[y + 1 :]])
        assert value.item() == pytest.approx((wrong.exp().sum().log() - z[y]).item())
        assert value >= wrong.max() - z[y]


def test_the_margin_of_a_linear_network_is_its_closed_form(monkeypatch):
    """Of two classes with logits ±s/2, s = w·x + b, the L∞ margin is |s|/‖w‖₁, along the sign of w."""
    torch.manual_seed(0)
    x, w, b = torch.rand(20, 1, 4, 4) * 0.2 + 0.4, torch.randn(16), 0.3
    score = x.flatten(1) @ w + b
    y = (score < 0).long()  # all are right

    def logits(images):
        s = images.flatten(1) @ w + b
        return torch.stack([s / 2, -s / 2], 1)

    monkeypatch.setattr(mma, "model_under_attack", lambda *_: logits)
    exact = score.abs() / w.abs().sum()
    d_max = exact.median().item()
    recipe = oat_mma(epsilon=d_max / 4, attack_steps=10)
    batch = SimpleNamespace(x=x, y=y, rng=torch.Generator().manual_seed(0))
    images, margin = mma.nearest_boundary(None, recipe, batch, slice(None))
    near = exact < 1.04 * d_max
    assert near.any() and (~near).any()
    torch.testing.assert_close(margin[near], exact[near], atol=1.05 * d_max / 2**11 + 1e-6, rtol=0)
    assert (margin[~near] > d_max).all()  # not trained
    expected = x - (exact * score.sign())[:, None, None, None] * w.sign().view(1, 4, 4)
    torch.testing.assert_close(images[near], expected[near], atol=1e-3, rtol=0)


@pytest.mark.parametrize("norm", ["dual", "normal"])
def test_loss_and_gradients_are_mma_s_cases(norm, monkeypatch, make_engine):
    """Wrong images count as they are, right ones at the boundary, and those beyond d_max not at all."""
    recipe, margins = oat_mma(norm), torch.tensor([0.05, 0.39, 0.41, 0.1])  # d_max = 0.4
    net, reference, batch = double(recipe), double(recipe), batch_of()
    with torch.no_grad():
        guess = double(recipe)(X.double(), LAM.double()).argmax(1)
    y = torch.where(torch.tensor([True, True, True, False, True, True]), guess, (guess + 1) % 10)
    batch.y = y
    monkeypatch.setattr(mma, "soft_margin", lambda outputs, y: torch.where(outputs.argmax(1) == y, -1.0, 1.0))
    monkeypatch.setattr(mma, "nearest_boundary", lambda engine, recipe, batch, part: (ADV.double()[part], margins))
    loss = backward(resolve(METHODS["oat_mma"])(make_engine(net), recipe, batch))

    clean = -reference(X.double(), LAM.double()).log_softmax(1)[range(6), y]
    images = torch.stack([ADV[2], X[3], ADV[4], ADV[5]]).double()  # the image 3 is wrong
    boundary = -reference(images, LAM.double()[2:]).log_softmax(1)[range(4), y[2:]]
    weights = LAM.double()[2:] * torch.tensor([1, 1, 0, 1])  # the image 4 is beyond d_max
    expected = (((1 - LAM.double()) * clean).sum() + (weights * boundary).sum()) / 6
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    actual, exact = gradients(net), gradients(reference)
    for name in exact:
        assert (actual[name] - exact[name]).norm() <= 1e-4 * exact[name].norm(), name


def test_at_lambda_0_it_is_oat_without_an_attack(monkeypatch):
    monkeypatch.setattr(mma, "nearest_boundary", None)  # would raise
    lam = torch.zeros(6)
    loss = backward(resolve(METHODS["oat_mma"])(EagerEngine(double(oat_mma())), oat_mma(), batch_of(lam)))
    expected = backward(resolve(METHODS["oat"])(EagerEngine(double(oat())), oat(), batch_of(lam)))
    assert loss == pytest.approx(expected, rel=1e-6)


def test_its_passes_its_field_and_its_label():
    recipe = oat_mma(epochs=1, attack_steps=7, batch=60)
    attacked = 5 / 6 * (7 * 2 + 10 + 3)  # 7 forwards and backwards to the image, the search, a training pass
    assert training_passes(recipe, 1347) == pytest.approx(120 * (3 + attacked) + 40 * 6 * 16)
    for wrong in ({"method": "oat_mma"}, {"max_margin": 4.0}):
        with pytest.raises(ValueError, match="max_margin belongs to oat_mma, which needs it"):
            oat(**wrong)
    with pytest.raises(ValueError, match="max_margin belongs to oat_mma"):
        pgd_at(max_margin=4.0)
    assert recipe.label == "OAT MMA (dual BN)" and "d_max=4ε" in recipe.name
    assert len({r.key for r in (oat(), oat_mma(), oat_mma(max_margin=2.5))}) == 3
