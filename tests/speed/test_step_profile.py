"""The kind of work of an operator, and the profile of a step."""

import pytest
import torch

from bench.engines.cpu import malloc
from bench.engines.cpu.compiled_library import library
from bench.speed.implementations import build_step
from bench.speed.step_profile import OTHER, kind_of, seconds_by_kind
from bench.speed.workloads import WORKLOADS


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("kernels::Winograd's convolutions", "Winograd's convolutions"),
        ("kernels::gathered convolutions", "other convolutions"),
        ("kernels::convolutions to the weights", "convolutions to the weights"),
        ("kernels::BN with FiLM, ReLU and dropout", "BN with FiLM, ReLU and dropout"),
        ("PerceptronsBackward", "FiLM's layers, classifier"),
        ("aten::mkldnn_convolution", "torch's convolutions, forward"),
        ("aten::cudnn_convolution", "torch's convolutions, forward"),
        ("aten::convolution_backward", "torch's convolutions, backward"),
        ("aten::native_batch_norm_backward", "batch statistics"),
        ("aten::addcmul", "scale and shift, their gradients"),
        ("aten::add_", "sums of branches and gradients"),
        ("aten::addmm", "FiLM's layers, classifier"),
        ("aten::threshold_backward", "ReLU by itself"),
        ("aten::_fused_sgd_", "weight update"),
        ("aten::native_dropout", "dropout by itself"),
        ("autograd::engine::evaluate_function: AddBackward0", OTHER),
    ],
)
def test_a_kind_of_work(operator, kind):
    assert kind_of(operator) == kind


def test_the_profiler_sees_the_kernels_kinds_of_work(monkeypatch):
    monkeypatch.setattr(malloc, "mallopt", lambda: None)  # memory kept by this process would lower another test's peak
    if library(torch.float32) is None:
        pytest.skip("no kernels on this machine")
    step = build_step("ours-fp32", WORKLOADS["digits"], "oat", torch.device("cpu"))
    seconds = seconds_by_kind(step, torch.device("cpu"))
    kernels = (
        "Winograd's convolutions",
        "other convolutions",
        "convolutions to the weights",
        "BN with FiLM, ReLU and dropout",
    )
    assert all(seconds[kind] > 0 for kind in kernels) and seconds["torch's convolutions, forward"] == 0
