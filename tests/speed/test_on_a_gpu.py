"""What the benchmark does otherwise on a GPU, by mocks of torch.cuda."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity

from bench.errors import BadInput
from bench.speed import __main__ as command
from bench.speed import implementations, interleaved_timing, step_profile
from bench.speed.step_server import peak_bytes

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


def test_peak_memory_is_what_torch_allocates(monkeypatch):
    order = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: order.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: order.append("read") or 123)
    assert peak_bytes(lambda: order.append("step"), CUDA) == 123 and order == ["reset", "step", "read"]


@pytest.mark.parametrize(("available", "initialised", "waits"), [(True, True, 1), (True, False, 0), (False, False, 0)])
def test_a_timing_waits_for_a_gpu_in_use(available, initialised, waits, monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialised)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append(True))
    interleaved_timing.synchronise()
    assert len(calls) == waits


@pytest.mark.parametrize("device", [CUDA, CPU])
def test_the_authors_code_has_cudnn_s_benchmark_mode_on_a_gpu_and_no_cuda_on_a_cpu(device, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    moved = []
    monkeypatch.setattr(nn.Module, "cuda", lambda self: moved.append(self))
    modes = implementations.in_their_environment(
        device, lambda: (torch.backends.cudnn.benchmark, nn.Identity().cuda() is None)
    )()
    assert modes == ((True, True) if device is CUDA else (False, False)) and len(moved) == (device is CUDA)
    assert not torch.backends.cudnn.benchmark


def test_the_profile_is_of_kernels(monkeypatch):
    activities = []
    event = SimpleNamespace(key="aten::addcmul", self_device_time_total=2e6, self_cpu_time_total=5e6)

    class Profile:
        def __init__(self, activities):
            self.activities = activities

        def __enter__(self):
            activities.extend(self.activities)
            return self

        def __exit__(self, *_):
            pass

        def key_averages(self):
            return [event]

    monkeypatch.setattr(step_profile, "profile", Profile)
    assert sum(step_profile.seconds_by_kind(lambda: None, CUDA).values()) == 2
    assert activities == [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    assert sum(step_profile.seconds_by_kind(lambda: None, CPU).values()) == 5


def test_cuda_without_a_gpu_is_bad_input(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="torch sees no CUDA device here: --device cpu"):
        command.time_steps(["--device", "cuda"])
