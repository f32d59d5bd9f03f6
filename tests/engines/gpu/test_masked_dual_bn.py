"""Dual BN by masked statistics against torch's BatchNorm on each branch's images."""

import pytest
import torch
from torch import nn

from bench.engines.gpu.masked_dual_bn import MaskedDualBN, same_branch_average

N, C, EPS = 7, 5, 1e-5
CLOSE = {torch.float64: {"atol": 1e-12, "rtol": 1e-12}, torch.float32: {"atol": 1e-5, "rtol": 1e-5}}


def inputs(dtype, offset: float = 0.5) -> list[torch.Tensor]:
    """Images (N, C, 4, 3) in channels_last, scale and shift (N, C), that take a gradient, and the gradient to come."""
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(N, C, 4, 3, generator=rng, dtype=torch.float64) * 2 + offset
    scale, shift = (torch.randn(N, C, generator=rng, dtype=torch.float64) for _ in range(2))
    to_y = torch.randn(N, C, 4, 3, generator=rng, dtype=torch.float64)
    x = x.to(dtype).contiguous(memory_format=torch.channels_last)
    return [x.requires_grad_(), scale.to(dtype).requires_grad_(), shift.to(dtype).requires_grad_(), to_y.to(dtype)]


def by_branches(x, scale, shift, zeros):
    """The output by torch's BatchNorm, and the statistics that it adds to the running ones."""
    bns = [nn.BatchNorm2d(C, affine=False, momentum=1.0, eps=EPS).to(x.dtype) for _ in range(2)]
    y = torch.cat([bns[0](x[:zeros]), bns[1](x[zeros:])])
    return y * scale[:, :, None, None] + shift[:, :, None, None], bns


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("zeros", range(1, N))
def test_output_gradients_and_statistics_are_those_of_each_branch(zeros, dtype):
    x, scale, shift, to_y = inputs(dtype)
    y, mean, var = MaskedDualBN.apply(x, scale, shift, same_branch_average(zeros, scale, N), EPS)
    expected, bns = by_branches(x, scale, shift, zeros)
    torch.testing.assert_close(y, expected, **CLOSE[dtype])
    assert y.is_contiguous(memory_format=torch.channels_last)
    gradients, exact = (torch.autograd.grad(value, (x, scale, shift), to_y) for value in (y, expected))
    for gradient, exact_gradient in zip(gradients, exact, strict=True):
        torch.testing.assert_close(gradient, exact_gradient, **CLOSE[dtype])
    for bn, image, count in zip(bns, (0, -1), (zeros, N - zeros), strict=True):
        torch.testing.assert_close(mean[image], bn.running_mean, **CLOSE[dtype])
        values = count * 12
        torch.testing.assert_close(var[image] * values / (values - 1), bn.running_var, **CLOSE[dtype])


def test_a_mean_far_from_0_does_not_cancel():
    """In fp32, with a mean of a thousand deviations: E[x²] - E[x]² would be off by a tenth."""
    x, scale, shift, _ = inputs(torch.float32, offset=2000.0)
    y, _, _ = MaskedDualBN.apply(x, scale, shift, same_branch_average(3, scale, N), EPS)
    exact, _ = by_branches(*(value.double() for value in (x, scale, shift)), 3)
    assert (y - exact).abs().max() < 2e-3


def test_statistics_of_bf16_images_are_fp32():
    x, scale, shift, to_y = inputs(torch.float32)
    x16 = x.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y, mean, _ = MaskedDualBN.apply(x16, scale, shift, same_branch_average(3, scale, N), EPS)
        gradients = torch.autograd.grad(y, (x16, scale, shift), to_y.bfloat16())
    exact = x16.detach().float().requires_grad_()
    expected, bns = by_branches(exact, scale, shift, 3)
    exact_gradients = torch.autograd.grad(expected, (exact, scale, shift), to_y.bfloat16().float())
    assert y.dtype == gradients[0].dtype == torch.bfloat16 and gradients[1].dtype == torch.float32
    torch.testing.assert_close(mean[0], bns[0].running_mean, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(y.float(), expected, atol=0.02, rtol=1e-2)
    torch.testing.assert_close(gradients[0].float(), exact_gradients[0], atol=0.02, rtol=1e-2)
    for gradient, exact_gradient in zip(gradients[1:], exact_gradients[1:], strict=True):
        torch.testing.assert_close(gradient, exact_gradient, atol=1e-5, rtol=1e-5)
