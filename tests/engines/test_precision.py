"""Arithmetic on CUDA, by mocks of torch.cuda: IEEE fp32, TF32 where a recipe trains in it, bf16 where GPUs have it."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.engines.gpu.engine import GpuEngine
from bench.engines.precision import autocast, best_precision, tf32_convolutions, use_ieee_fp32
from bench.models import build
from bench.training import loop
from bench.training.loop import TrainingFailed, train
from bench.training.optimiser import sgd
from tests.recipes import digits, oat


@pytest.fixture(autouse=True)
def flags():
    """Torch's defaults, restored after the test."""
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    torch.backends.cudnn.allow_tf32 = True
    yield
    for backend, value in zip(backends, before, strict=True):
        backend.allow_tf32 = value


@pytest.mark.parametrize("supported", [True, False])
def test_auto_is_bf16_where_the_gpu_multiplies_in_bf16(supported, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert best_precision(cuda=True) == ("bf16" if supported else "fp32")


def test_autocast_is_of_the_device_and_of_bf16_alone():
    contexts = [autocast(precision, torch.device("cuda")) for precision in ("fp32", "tf32")]
    assert all(context.device == "cuda" and not context._enabled for context in contexts)


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_ends_with_its_context(allowed):
    use_ieee_fp32()
    with pytest.raises(ZeroDivisionError), tf32_convolutions(allowed):
        assert torch.backends.cudnn.allow_tf32 == allowed and not torch.backends.cuda.matmul.allow_tf32
        raise ZeroDivisionError
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_training_has_the_recipe_s_arithmetic_and_nothing_after_it_has(precision, tmp_path, monkeypatch):
    recipe, allowed = oat(epochs=1, attack_steps=1, precision=precision), []
    real = loop.train_epoch
    note = lambda: allowed.append(torch.backends.cudnn.allow_tf32)  # noqa: E731
    monkeypatch.setattr(loop, "train_epoch", lambda *arguments: note() or real(*arguments))
    monkeypatch.setattr(loop, "lacks", lambda device, precision: False)
    use_ieee_fp32()
    list(train(recipe, digits(recipe), tmp_path, torch.device("cpu")))
    note()
    assert allowed == [precision == "tf32", False]


def test_a_cpu_has_no_tf32(tmp_path):
    recipe = oat(precision="tf32")
    with pytest.raises(TrainingFailed, match="a CPU has no TF32: --set precision=fp32"):
        next(train(recipe, digits(recipe), tmp_path, torch.device("cpu")))


def test_backward_passes_run_outside_autocast_and_each_weight_is_cast_once():
    """FiLM's products are fp32 forward and backward, in training and under attack, and convolutions bf16."""
    recipe = oat(precision="bf16", attack_steps=2, train_images=64)  # one step
    net = build(recipe, 1, 10)
    parameters = {id(parameter) for parameter in net.parameters()}
    casts, products, convolutions = Counter(), set(), set()

    class Operators(TorchDispatchMode):
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            """As in pretend_device.py."""
            return False

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name, kwargs = function.__name__.partition(".")[0], kwargs or {}
            if name == "_to_copy" and kwargs.get("dtype") is torch.bfloat16 and id(args[0]) in parameters:
                casts[id(args[0])] += 1
            if name in ("bmm", "baddbmm"):
                products.add((args[-1].dtype, torch.is_grad_enabled()))
            if name.startswith("convolution"):
                convolutions.add(args[0].dtype)
            return function(*args, **kwargs)

    with Operators():
        loop.train_epoch(GpuEngine(net), sgd(net, recipe), recipe, digits(recipe), 0)
    assert {dtype for dtype, _ in products} == {torch.float32} and len(products) == 2  # with a graph, and without
    assert convolutions == {torch.bfloat16} and set(casts.values()) == {1} and len(casts) > 10
