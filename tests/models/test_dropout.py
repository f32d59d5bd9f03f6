"""Dropout from 16 random bits an element: how much it drops, and what it does with the rest."""

import math

import pytest
import torch

from bench.models.dropout import LEVELS, dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.3, 0.5, 0.01])
def test_the_share_dropped_and_the_scale_of_the_rest(p, dtype):
    torch.manual_seed(0)
    x = torch.ones(50, 7, 31, 29, dtype=dtype).contiguous(memory_format=torch.channels_last)
    y = dropout(x, p, True)
    exact = round(p * LEVELS) / LEVELS
    share, n = (y == 0).float().mean().item(), x.numel()
    assert abs(share - exact) < 5 * math.sqrt(p * (1 - p) / n)
    assert torch.equal(y[y != 0].unique(), torch.tensor([1 / (1 - exact)]).to(dtype))


def test_the_four_values_of_one_draw_are_independent():
    torch.manual_seed(1)
    kept = (dropout(torch.ones(400_000), 0.3, True) != 0).view(-1, 4).float()
    correlation = torch.corrcoef(kept.T) - torch.eye(4)
    assert correlation.abs().max() < 5 / math.sqrt(len(kept))


def test_its_gradient_is_its_mask_and_evaluation_drops_nothing():
    torch.manual_seed(2)
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    y = dropout(x, 0.3, True)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(y, gradient * x) and 0 < (gradient == 0).sum() < x.numel()
    assert dropout(x, 0.3, False) is x or torch.equal(dropout(x, 0.3, False), x)
    assert torch.equal(dropout(x, 0.0, True), x)


def test_the_same_seed_drops_the_same():
    x, masks = torch.ones(3, 2, 4, 4), []
    for _ in range(2):
        torch.manual_seed(5)
        masks.append(dropout(x, 0.5, True))
    assert torch.equal(*masks)
