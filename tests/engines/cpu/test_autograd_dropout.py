"""Dropout by the kernel, whose mask is a hash of a key and the element's index, and by torch where the kernel does not
take the number of channels: the share dropped, the scale of the rest, the gradient."""

import math

import pytest
import torch

from bench.engines.cpu.c_structs import LEVELS
from bench.engines.cpu.layerwise import dropout
from tests.engines.cpu.exact import needs_kernels

pytestmark = needs_kernels
KINDS = {"kernel": (16, torch.float32), "kernel-bf16": (48, torch.bfloat16), "torch": (7, torch.float32)}


def ones(n: int, channels: int = 16, dtype: torch.dtype = torch.float32, size: int = 30) -> torch.Tensor:
    return torch.ones(n, channels, size, size - 1, dtype=dtype).contiguous(memory_format=torch.channels_last)


def in_memory(y: torch.Tensor) -> torch.Tensor:
    """1 for each element that is not dropped, in the order of memory."""
    return (y.permute(0, 2, 3, 1).reshape(-1) != 0).double()


@pytest.mark.parametrize(("channels", "dtype"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("p", [0.3, 0.5, 0.01])
def test_the_share_dropped_and_the_scale_of_the_rest(p, channels, dtype):
    torch.manual_seed(0)
    y = dropout(ones(400 // channels, channels, dtype), p)
    exact = round(p * LEVELS) / LEVELS
    share, n = (y == 0).float().mean().item(), y.numel()
    assert abs(share - exact) < 5 * math.sqrt(p * (1 - p) / n)
    assert y.dtype == dtype
    scale = torch.tensor([1 / (1 - exact)]).to(dtype)
    torch.testing.assert_close(y[y != 0].unique(), scale, rtol=1e-6, atol=0)  # in bf16: the same number


def test_elements_are_independent_of_their_neighbours():
    """Elements of one vector, elements some places apart, and the same element in two draws."""
    torch.manual_seed(1)
    first, second = (in_memory(dropout(ones(40), 0.3)) for _ in range(2))
    lanes = torch.corrcoef(first.view(-1, 16).T) - torch.eye(16)
    assert lanes.abs().max() < 5.5 / math.sqrt(len(first) / 16)
    lags = (1, 2, 3, 8, 16, 32, 64, 480, 4096)
    far = [torch.corrcoef(torch.stack([first[lag:], first[:-lag]]))[0, 1] for lag in lags]
    assert torch.stack(far).abs().max() < 5 / math.sqrt(len(first))
    assert torch.corrcoef(torch.stack([first, second]))[0, 1].abs() < 5 / math.sqrt(len(first))


@pytest.mark.parametrize(("channels", "dtype"), [(16, torch.float32), (3, torch.float64)], ids=["kernel", "torch"])
def test_its_gradient_is_its_mask(channels, dtype):
    torch.manual_seed(2)
    x = torch.randn(4, channels, 5, 5, dtype=dtype, requires_grad=True)
    y = dropout(x, 0.3)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(y, gradient * x) and 0 < (gradient == 0).sum() < x.numel()


def test_a_share_of_0_drops_nothing():
    x = torch.randn(4, 16, 5, 5)
    assert torch.equal(dropout(x, 0.0), x)


@pytest.mark.parametrize("channels", [16, 2])
def test_the_same_seed_drops_the_same_and_the_next_draw_something_else(channels):
    x, masks = ones(3, channels, size=4), []
    for seed in (5, 5, None):
        if seed:
            torch.manual_seed(seed)
        masks.append(dropout(x, 0.5))
    assert torch.equal(*masks[:2]) and not torch.equal(*masks[1:])
