"""SOLAR: a classifier per width, against linear layers of its own on the features of each width."""

import pytest
import torch

from bench.engines.cpu.engine import CpuEngine
from bench.measures.cost import cost
from bench.models import build
from tests.recipes import images, lively, oat

WIDTHS = (0.5, 0.75, 1.0)


def solar(**fields):
    return oat("dual", **({"method": "oat_sol", "widths": WIDTHS, "dropout": 0.0} | fields))


def heads_of(net) -> dict[float, torch.nn.Linear]:
    return dict(zip(WIDTHS, [*net.head.narrower, net.head], strict=True))


def test_each_width_has_its_own_classifier_and_trains_no_other(make_engine):
    net, x = lively(solar()), images(6)[0]
    engine, heads, lam = make_engine(net), heads_of(net), torch.full((6,), 0.3)
    for width, head in heads.items():
        net.zero_grad()
        features = net.features(x, net.condition(lam, width=width)).mean(dim=(2, 3)).detach()
        outputs = engine.logits(x, engine.condition(lam, width=width))  # in training mode: by the statistics of x
        assert features.shape[1] == head.in_features == int(64 * width)
        torch.testing.assert_close(outputs, features @ head.weight.T + head.bias, atol=1e-4, rtol=1e-4)
        outputs.square().sum().backward()
        expected = 2 * outputs.detach().T @ features
        torch.testing.assert_close(head.weight.grad, expected, atol=1e-3, rtol=1e-3)
        assert make_engine is not CpuEngine or not engine.plans  # their classifier is that of width 1
        trained = [w for w, each in heads.items() if each.weight.grad is not None and each.weight.grad.abs().sum() > 0]
        assert trained == [width]


def test_its_cost_is_that_of_oats_and_it_needs_widths():
    oats = oat("dual", widths=WIDTHS, dropout=0.0)
    for width in WIDTHS:
        assert cost(solar(), (1, 8, 8), 10, width) == cost(oats, (1, 8, 8), 10, width)
    extra = sum(p.numel() for p in build(solar(), 1, 10).parameters()) - sum(
        p.numel() for p in build(oats, 1, 10).parameters()
    )
    assert extra == (32 + 1) * 10 + (48 + 1) * 10
    with pytest.raises(ValueError, match="oat_sol takes widths"):
        solar(widths=())
    assert solar().label == "OATS SOL (dual BN)"
