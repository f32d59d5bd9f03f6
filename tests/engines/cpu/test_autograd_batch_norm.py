"""BN by batch statistics, FiLM, a sum and ReLU in one, against the formulas in fp64."""

import copy
import itertools

import pytest
import torch
from torch import nn

from bench.engines.cpu import layerwise
from bench.models.dual_bn import Condition, ConditionalNorm
from tests.engines.cpu.exact import HALF, needs_kernels, off

pytestmark = needs_kernels
N, CHANNELS, SIZE = 6, 48, (5, 3)
ROWS = {"none": None, "one": torch.zeros(N, dtype=torch.int64), "three": torch.tensor([2, 0, 2, 1, 1, 0]), "each": None}
MANY = {"none": 0, "one": 1, "three": 3, "each": N}  # distinct λ
EVERY = list(itertools.product(("mixed", "all", "no", "one BN"), MANY, (False, True), (False, True)))


def layer(dual: bool) -> ConditionalNorm:
    """Nothing at a neutral value."""
    norm, rng = ConditionalNorm(CHANNELS, dual), torch.Generator().manual_seed(1)
    norm.index = 0
    for bn in (m for m in norm.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor, low, high in (
            (bn.weight, -1, 2),
            (bn.bias, -1, 1),
            (bn.running_mean, -1, 1),
            (bn.running_var, 0.5, 2),
        ):
            nn.init.uniform_(tensor, low, high, generator=rng)
    return norm


def given(rows: int, plus: bool, seed: int = 0) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    tensors = {"x": torch.randn(N, CHANNELS, *SIZE, generator=rng) * 2 + 1}
    if plus:
        tensors["plus"] = torch.randn(N, CHANNELS, *SIZE, generator=rng)
    if rows:
        tensors |= {name: torch.randn(rows, CHANNELS, generator=rng) for name in ("gamma", "beta")}
    return tensors


def ours(norm, tensors, zeros, row, relu):
    film = (tensors["gamma"], tensors["beta"]) if "gamma" in tensors else None
    cond = Condition(True, rows=row, films=[film], zeros=zeros)
    return layerwise.normalise_add_relu(norm, tensors["x"], cond, tensors.get("plus"), relu)


def formulas(norm, tensors, zeros, row, relu):
    """y in fp64, and the running statistics moved, by Sec. 3.1 and 3.2."""
    parts = []
    for bn, x in ((norm.bn_c, tensors["x"][:zeros]), (norm.bn_a, tensors["x"][zeros:])):
        if not len(x):
            continue
        mean, var, n = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False), x[:, 0].numel()
        with torch.no_grad():
            bn.running_mean += 0.1 * (mean - bn.running_mean)
            bn.running_var += 0.1 * (var * n / (n - 1) - bn.running_var)
            bn.num_batches_tracked += 1
        x = (x - wide(mean)) / (wide(var) + 1e-5).sqrt()
        parts.append(x * wide(bn.weight) + wide(bn.bias))
    y = torch.cat(parts)
    if "gamma" in tensors:
        which = torch.arange(N) if row is None and len(tensors["gamma"]) > 1 else row
        which = torch.zeros(N, dtype=torch.int64) if which is None else which
        y = tensors["gamma"][which][:, :, None, None] * y + tensors["beta"][which][:, :, None, None]
    y = y + tensors.get("plus", 0)
    return y.clamp(min=0) if relu else y


def wide(per_channel):
    return per_channel[None, :, None, None]


def run(how, norm, tensors, zeros, row, relu):
    """y; the gradients to what is given and to the layer's parameters, those that there are; the layer's buffers."""
    tensors = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    y = how(norm, tensors, zeros, row, relu)
    rng = torch.Generator().manual_seed(9)
    y.backward(torch.randn(y.shape, generator=rng).bfloat16().to(y.dtype))
    grads = {name: tensor.grad for name, tensor in tensors.items()}
    grads |= {name: p.grad for name, p in norm.named_parameters() if p.grad is not None}
    return y.detach(), grads, dict(norm.named_buffers())


def both(zeros, rows, plus, relu, tensors=None):
    """What `run` finds by the kernels and by the formulas."""
    count, dual = {"mixed": 2, "all": N, "no": 0, "one BN": 0}[zeros], zeros != "one BN"
    tensors = tensors or given(MANY[rows], plus)
    exact = {name: tensor.double() for name, tensor in tensors.items()}
    norm = layer(dual)
    reference = copy.deepcopy(norm).double()
    return run(ours, norm, tensors, count, ROWS[rows], relu), run(formulas, reference, exact, count, ROWS[rows], relu)


@pytest.mark.parametrize(("zeros", "rows", "plus", "relu"), EVERY)
def test_output_gradients_and_running_statistics_are_the_formulas(zeros, rows, plus, relu):
    (y, grads, buffers), (y_, grads_, buffers_) = both(zeros, rows, plus, relu)
    assert off(y, y_) < 1e-6
    assert grads.keys() == grads_.keys()  # a branch without images gets none
    for name in grads_:
        assert off(grads[name], grads_[name]) < 2e-6, name
    for name in buffers_:
        torch.testing.assert_close(buffers[name].double(), buffers_[name].double(), rtol=1e-6, atol=1e-6, msg=name)


@pytest.mark.parametrize(("zeros", "idle"), [("no", "bn_c"), ("all", "bn_a")])
def test_a_branch_without_images_is_untouched(zeros, idle):
    norm, before = layer(True), getattr(layer(True), idle)
    run(ours, norm, given(0, False), {"no": 0, "all": N}[zeros], None, True)
    for name, value in before.state_dict().items():
        assert torch.equal(getattr(norm, idle).state_dict()[name], value), name
    assert all(p.grad is None for p in getattr(norm, idle).parameters())


@pytest.mark.parametrize("zeros", ["mixed", "one BN"])
def test_in_bf16_statistics_stay_exact_and_images_are_rounded_once(zeros):
    tensors = {name: tensor.bfloat16().float() for name, tensor in given(3, True).items()}
    with torch.autocast("cpu", torch.bfloat16):
        (y, grads, buffers), (y_, grads_, buffers_) = both(zeros, "three", True, True, tensors)
    assert y.dtype == torch.bfloat16 and grads["x"].dtype == torch.float32
    assert ((y.double() - y_).abs() <= 1.02 * HALF * y_.abs() + 1e-5).all()
    for name in ("x", "plus"):
        assert ((grads[name] - grads_[name]).abs() <= 1.02 * HALF * grads_[name].abs() + 1e-4).all(), name
    for name in grads_.keys() - {"x", "plus"}:  # ReLU lets through where y is, before it is rounded
        assert off(grads[name], grads_[name]) < 2e-6, name
    for name in buffers_:
        torch.testing.assert_close(buffers[name].double(), buffers_[name].double(), rtol=1e-6, atol=1e-6, msg=name)


def test_a_large_mean_does_not_ruin_the_variance():
    """As E[x²] - E[x]² in fp32 would: it is off by as much as the variance itself."""
    x = 100 + 0.03 * torch.randn(N, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(0))
    norm = layer(False)
    before = norm.bn_a.running_var.clone()
    y = ours(norm, {"x": x}, 0, None, False)
    variance = (norm.bn_a.running_var - 0.9 * before) / 0.1
    torch.testing.assert_close(variance.double(), x.double().var((0, 2, 3)), rtol=0.01, atol=0)  # 1e-6 of a sum with 1
    exact = formulas(layer(False).double(), {"x": x.double()}, 0, None, False)
    usual = nn.functional.batch_norm(x, None, None, norm.bn_a.weight, norm.bn_a.bias, True)
    assert off(y.detach(), exact.detach()) <= 3 * off(usual.detach(), exact.detach()) + 1e-6


@pytest.mark.parametrize("relu", [False, True])
def test_what_is_not_a_number_stays_so_and_stays_in_its_branch(relu):
    tensors, norm = given(3, True), layer(True)
    tensors["x"][0, 5, 1, 1] = torch.nan
    y = ours(norm, tensors, 2, ROWS["three"], relu)
    assert y[:2, 5].isnan().all() and norm.bn_c.running_mean[5].isnan()
    y[:2, 5] = 0
    assert y.isfinite().all() and norm.bn_a.running_mean.isfinite().all()


def test_odd_channels_are_torch_s(monkeypatch):
    calls = []
    monkeypatch.setattr(layerwise, "normalise", lambda *arguments: calls.append(arguments))
    for channels in (12, 16):
        norm = ConditionalNorm(channels)
        norm.index = 0
        layerwise.normalise_add_relu(norm, torch.zeros(2, channels, 2, 2), Condition(True, films=[None]), None, False)
    assert [call[0].shape[1] for call in calls] == [16]
