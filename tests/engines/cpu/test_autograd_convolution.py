"""Convolutions and their two gradients against torch in fp64, for all shapes that the networks have and odd ones."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench.engines.cpu import convolution, layerwise
from bench.engines.cpu.autograd_convolution import Convolution
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.engine import CpuEngine
from bench.engines.cpu.packed_weights import PackedWeights
from bench.models.slimmable import SlimConv2d
from bench.training.optimiser import sgd
from tests.engines.cpu.exact import needs_kernels, off, rounded
from tests.recipes import pgd_at

pytestmark = needs_kernels
NAMES = ("forward", "to the input", "to the weights")
SHAPES = st.fixed_dictionaries(
    {
        "n": st.integers(1, 5),
        "size": st.tuples(st.integers(1, 11), st.integers(1, 11)),
        "inputs": st.sampled_from((1, 3, 16, 32, 48, 80)),
        "outputs": st.sampled_from((16, 32, 48, 80)),
        "kernel": st.sampled_from((1, 3, 5)),
        "stride": st.sampled_from((1, 2, 3)),
        "spare": st.sampled_from(
            ((0, 0), (16, 0), (0, 8), (5, 3))
        ),  # channels of the parameter that a slice leaves out
    }
)
LARGE = [  # more tiles, or pixels, than go to the weights at a time; more channels than a block of weights has
    {"n": 14, "size": (18, 17), "inputs": 16, "outputs": 80, "kernel": 3, "stride": 1, "spare": (0, 0)},
    {"n": 14, "size": (18, 17), "inputs": 3, "outputs": 32, "kernel": 3, "stride": 1, "spare": (0, 0)},
    {"n": 9, "size": (16, 15), "inputs": 32, "outputs": 16, "kernel": 3, "stride": 2, "spare": (16, 16)},
    {"n": 40, "size": (32, 30), "inputs": 16, "outputs": 80, "kernel": 3, "stride": 2, "spare": (0, 0)},
    {"n": 2, "size": (8, 8), "inputs": 160, "outputs": 144, "kernel": 3, "stride": 2, "spare": (0, 0)},
    {"n": 3, "size": (4, 4), "inputs": 160, "outputs": 144, "kernel": 3, "stride": 1, "spare": (0, 0)},
]


def inputs_of(n, size, inputs, outputs, kernel, stride, spare):
    """Images, a weight and how much of it is used, and a gradient to the output."""
    rng = torch.Generator().manual_seed(hash((n, *size, inputs, outputs, kernel, stride)) % 2**31)
    x = torch.randn(n, inputs, *size, generator=rng).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(outputs + spare[0], inputs + spare[1], kernel, kernel, generator=rng)
    weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
    out = [-(-side // stride) for side in size]
    grad = torch.randn(n, outputs, *out, generator=rng).contiguous(memory_format=torch.channels_last)
    return x.requires_grad_(), weight, (slice(outputs), slice(inputs)), grad


def ours(x, weight, part, grad, stride):
    """What NAMES says; the gradient is to the whole parameter, 0 where it is not used."""
    conv = SlimConv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, weight.shape[2] // 2, bias=False)
    conv.weight = weight
    y = Convolution.apply(x, weight[part], conv, PackedWeights())
    return y.detach(), *torch.autograd.grad(y, (x, weight), grad.to(y.dtype))


def torchs(x, weight, part, grad, stride, dtype=torch.float64):
    x, weight = (tensor.detach().to(dtype).requires_grad_() for tensor in (x, weight))
    y = F.conv2d(x, weight[part], None, stride, weight.shape[2] // 2)
    return y.detach(), *torch.autograd.grad(y, (x, weight), grad.to(dtype))


def check(shape):
    """Winograd's transforms cost a few roundings more than a sum, which shows where that has few terms, or terms that
    cancel: an error of a few roundings of the sum of the terms' absolute values is allowed."""
    x, weight, part, grad = inputs_of(**shape)
    computed, exact, usual = (f(x, weight, part, grad, shape["stride"]) for f in (ours, torchs, fp32))
    sums = torchs(x.detach().abs(), weight.detach().abs(), part, grad.abs(), shape["stride"])
    for name, result, exact_result, fp32_result, total in zip(NAMES, computed, exact, usual, sums, strict=True):
        assert result.isfinite().all(), name
        cancelled = 8 * 2**-24 * float(total.norm() / exact_result.norm().clamp(min=1e-30))
        assert off(result, exact_result) <= max(3e-6, 5 * off(fp32_result, exact_result) + 1e-6, cancelled), name


def fp32(*given):
    with torch.backends.mkldnn.flags(enabled=False):  # oneDNN writes out of bounds for some strided 1×1 convolutions
        return torchs(*given, torch.float32)


@settings(max_examples=200, deadline=None)
@given(SHAPES)
def test_output_and_gradients_are_as_exact_as_torch_s_in_fp32(shape):
    check(shape)


@pytest.mark.parametrize("shape", LARGE)
def test_so_are_those_of_many_images_and_channels(shape):
    check(shape)


@settings(max_examples=60, deadline=None)
@given(SHAPES)
def test_in_bf16_each_number_is_rounded_once(shape):
    """Weights stay in fp32, and so does the gradient to them."""
    x, weight, part, grad = inputs_of(**shape)
    with torch.no_grad():
        x.copy_(x.bfloat16())
    grad = grad.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y, to_x, to_weight = ours(x, weight, part, grad, shape["stride"])
    assert (y.dtype, to_x.dtype, to_weight.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    exact = torchs(x, weight, part, grad, shape["stride"])
    assert rounded(y, exact[0]) and rounded(to_x, exact[1])
    assert off(to_weight, exact[2]) <= 3e-6


def test_a_convolution_with_odd_channels_is_torch_s():
    conv, x = SlimConv2d(3, 12, 3, 1, 1, bias=False), torch.randn(2, 3, 5, 5)
    assert not convolution.supported(conv, 3, 12)
    packed = PackedWeights()
    assert torch.equal(layerwise.convolve(conv, x, 1.0, packed), F.conv2d(x, conv.weight, None, 1, 1))
    assert not packed.packed
    layerwise.convolve(SlimConv2d(3, 16, 3, 1, 1, bias=False), x, 1.0, packed)
    assert packed.packed


# --- packed weights


def same_as_torch_s(conv: SlimConv2d, x, packed: PackedWeights) -> bool:
    """Forward and backward to the image, which pack the weight each in its own way."""
    x = x.requires_grad_()
    computed = layerwise.convolve(conv, x, 1.0, packed)
    exact = F.conv2d(x, conv.weight, None, conv.stride, conv.padding)
    back = [torch.autograd.grad(y.square().sum(), x)[0] for y in (computed, exact)]
    return torch.allclose(computed, exact, atol=1e-4) and torch.allclose(*back, rtol=1e-3, atol=1e-2)


CONVS = {"tiles": (16, 3, 1), "strided": (16, 3, 2), "image": (3, 3, 1), "pointwise": (16, 1, 2)}


@pytest.mark.parametrize(("inputs", "kernel", "stride"), CONVS.values(), ids=CONVS)
def test_packed_weights_follow_the_weight(inputs, kernel, stride):
    torch.manual_seed(0)
    conv, packed = SlimConv2d(inputs, 32, kernel, stride, kernel // 2, bias=False), PackedWeights()
    x = torch.randn(2, inputs, 6, 6)
    assert same_as_torch_s(conv, x, packed)
    with torch.no_grad():
        conv.weight.copy_(torch.randn_like(conv.weight))
    assert same_as_torch_s(conv, x, packed)
    conv.load_state_dict({"weight": torch.randn_like(conv.weight)})
    assert same_as_torch_s(conv, x, packed)
    conv.weight = nn.Parameter(torch.randn_like(conv.weight))
    assert same_as_torch_s(conv, x, packed)

    optimiser, before = sgd(conv, pgd_at(lr=0.5)), conv.weight.detach().clone()
    CpuEngine.watch(None, optimiser)  # a fused optimiser does not count its updates
    for _ in range(2):
        layerwise.convolve(conv, x, 1.0, packed).square().mean().backward()
        optimiser.step()
        assert same_as_torch_s(conv, x, packed)
    assert (conv.weight - before).norm() > 0.05 * before.norm()  # so that an old packed weight would show


def test_each_width_and_each_size_of_image_has_its_packed_weight():
    torch.manual_seed(0)
    conv, packed = SlimConv2d(32, 64, 3, 1, 1, bias=False), PackedWeights()
    for width, size in ((1.0, 5), (0.5, 5), (0.5, 2), (1.0, 2), (0.5, 1), (0.5, 5)):
        x = torch.randn(2, int(32 * width), size, size)
        exact = F.conv2d(x.double(), conv.weight.double()[: int(64 * width), : x.shape[1]], padding=1)
        assert off(layerwise.convolve(conv, x, width, packed).detach(), exact.detach()) < 3e-6


# --- threads


@pytest.fixture
def threads():
    """Sets how many torch has, and puts it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_kernels_threads_are_torch_s(threads):
    for n in (2, 1):
        threads(n)
        assert library(torch.float32).omp_get_max_threads() == n


@pytest.mark.parametrize("shape", [*LARGE, LARGE[3] | {"n": 1}, LARGE[2] | {"n": 1, "size": (5, 3)}])
def test_results_do_not_depend_on_the_number_of_threads(shape, threads):
    given = inputs_of(**shape)
    threads(1)
    alone = ours(*given, shape["stride"])
    for n in (2, 3):
        threads(n)
        assert all(torch.equal(*pair) for pair in zip(alone, ours(*given, shape["stride"]), strict=True))


def test_the_layer_itself_is_torch_s():
    conv, x = SlimConv2d(16, 16, 3, 1, 1, bias=False), torch.randn(1, 16, 5, 5)
    assert torch.equal(conv(x), F.conv2d(x, conv.weight, None, 1, 1))


def test_a_weight_must_not_change_before_the_backward_pass():
    conv, x = SlimConv2d(16, 16, 3, 1, 1, bias=False), torch.randn(1, 16, 5, 5)
    y = layerwise.convolve(conv, x, 1.0, PackedWeights())
    with torch.no_grad():
        conv.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
