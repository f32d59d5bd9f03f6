"""What the benchmark does otherwise on a GPU, by mocks of torch.cuda."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity

from bench.errors import BadInput
from bench.speed import __main__ as command
from bench.speed import implementations, interleaved_timing, machine_throughput, step_profile
from bench.speed.step_server import peak_memory

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


def test_peak_memory_is_what_torch_allocates(monkeypatch):
    order = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: order.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: order.append("read") or 123)
    peak = peak_memory(lambda: order.append("step"), CUDA)
    assert peak == {"peak_bytes": 123, "process_bytes": 123} and order == ["reset", "step", "read"]


@pytest.mark.parametrize(("available", "initialised", "waits"), [(True, True, 1), (True, False, 0), (False, False, 0)])
def test_a_timing_waits_for_a_gpu_in_use(available, initialised, waits, monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: initialised)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append(True))
    interleaved_timing.synchronise()
    assert len(calls) == waits


@pytest.mark.parametrize("implementation", implementations.PRECISION)
def test_every_implementation_runs_in_cudnn_s_benchmark_mode(implementation, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    for name in ("authors_step", "suite_step"):
        monkeypatch.setattr(implementations, name, lambda *_: lambda: torch.backends.cudnn.benchmark)
    assert implementations.build_step(implementation, None, "oat", CUDA)()
    assert not torch.backends.cudnn.benchmark


def test_convolutions_by_themselves_run_in_benchmark_mode_too(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(machine_throughput, "LEAST_SECONDS", 0)
    modes = set()
    machine_throughput.fastest(lambda: modes.add(torch.backends.cudnn.benchmark))
    assert modes == {True} and not torch.backends.cudnn.benchmark


@pytest.mark.parametrize("device", [CUDA, CPU])
def test_the_authors_code_calls_cuda_on_a_gpu_alone(device, monkeypatch):
    moved = []
    monkeypatch.setattr(nn.Module, "cuda", lambda self: moved.append(self))
    implementations.without_cuda_calls(device, lambda: nn.Identity().cuda())()
    assert len(moved) == (device is CUDA)


def event(key: str, device_type: DeviceType, on_device: float, on_cpu: float = 0.0, annotation: bool = False):
    """An event of the profiler; microseconds."""
    times = {"self_device_time_total": on_device, "self_cpu_time_total": on_cpu}
    return SimpleNamespace(key=key, device_type=device_type, is_user_annotation=annotation, **times)


# As torch's profiler lists a step: a kernel of 3 s by itself and as the device time of its operator; a named range on
# both sides; a kernel of 1 s that no operator launched.
EVENTS = [
    event("aten::cudnn_convolution", DeviceType.CPU, 3e6, on_cpu=5e6),
    event("sm80_xmma_fprop_implicit_gemm", DeviceType.CUDA, 3e6),
    event("Optimizer.step#SGD.step", DeviceType.CPU, 0, on_cpu=1e6),
    event("Optimizer.step#SGD.step", DeviceType.CUDA, 4e6, annotation=True),
    event("fused_elementwise", DeviceType.CUDA, 1e6),
]


def test_the_profile_counts_each_kernel_once(monkeypatch):
    activities = []

    class Profile:
        def __init__(self, activities=(), **_):
            self.activities = activities

        def __enter__(self):
            activities.extend(self.activities)
            return self

        def __exit__(self, *_):
            pass

        def key_averages(self):
            return EVENTS

    monkeypatch.setattr(step_profile, "profile", Profile)
    monkeypatch.setattr(step_profile.autograd_profiler, "profile", Profile)
    seconds = step_profile.seconds_by_kind(lambda: None, CUDA)
    assert {kind: time for kind, time in seconds.items() if time} == {
        "torch's convolutions, forward": 3,
        step_profile.OTHER: 1,
    }
    assert step_profile.kernel_seconds(EVENTS) == sum(seconds.values()) == 4
    assert activities == [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    assert sum(step_profile.seconds_by_kind(lambda: None, CPU).values()) == 6


def test_cuda_without_a_gpu_is_bad_input(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="torch sees no CUDA device here: --device cpu"):
        command.time_steps(["--device", "cuda"])
