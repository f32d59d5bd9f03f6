"""Where the time of a step goes, by kind of work."""

from collections.abc import Callable

import torch
from torch.autograd import DeviceType
from torch.autograd import profiler as autograd_profiler
from torch.profiler import ProfilerActivity, profile

KINDS = {  # kind of work: parts of operators' names; the first kind that matches counts
    "Winograd's convolutions": ("kernels::Winograd",),
    "other convolutions": ("kernels::gathered",),
    "convolutions to the weights": ("kernels::convolutions",),
    "BN with FiLM, ReLU and dropout": ("kernels::BN",),
    "torch's convolutions, forward": (
        "convolution_overrideable",
        "mkldnn_convolution",
        "cudnn_convolution",
        "_slow_conv2d",
    ),
    "torch's convolutions, backward": ("convolution_backward",),
    "batch statistics": ("batch_norm",),
    "scale and shift, their gradients": ("addcmul", "aten::mul", "aten::sum"),
    "ReLU by itself": ("kernels::elementwise", "clamp_min", "threshold_backward", "relu"),
    "FiLM's layers, classifier": ("Perceptrons", "aten::mm", "addmm", "linear"),
    "sums of branches and gradients": ("aten::add",),
    "casts and copies": ("aten::copy_", "aten::_to_copy", "aten::cat", "aten::clone"),
    "dropout by itself": ("bernoulli", "dropout", "Dropout"),
    "weight update": ("sgd", "SGD"),
}
OTHER = "the rest, Python's own time included"


def seconds_by_kind(step: Callable[[], object], device: torch.device) -> dict[str, float]:
    """{kind of work: seconds} of one step, after one to warm up. On a GPU the time of its kernels, which add up to
    `kernel_seconds`."""
    step()
    return kinds_of_events(profiled_events(step, device), device)


def profiled_events(step: Callable[[], object], device: torch.device) -> list:
    """The profiler's events of one step, averaged by name and device."""
    if device.type == "cuda":
        profiler = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
    else:
        profiler = autograd_profiler.profile(use_kineto=True)  # the one above without loading torch's compiler: seconds
    with profiler:
        step()
    return list(profiler.key_averages())


def kinds_of_events(events: list, device: torch.device) -> dict[str, float]:
    """{kind of work: seconds}. The profiler lists each kernel twice: by itself, and in the device time of the operator
    that launched it, whose name says the kind. Kernels without an operator are in OTHER."""
    seconds, cuda = dict.fromkeys([*KINDS, OTHER], 0.0), device.type == "cuda"
    for event in events:
        if event.device_type == DeviceType.CPU:
            microseconds = event.self_device_time_total if cuda else event.self_cpu_time_total
            seconds[kind_of(event.key)] += microseconds / 1e6
    if cuda:
        seconds[OTHER] += max(0.0, kernel_seconds(events) - sum(seconds.values()))
    return seconds


def kernel_seconds(events: list) -> float:
    """Time of all kernels and copies on the GPU, each once. Named ranges, which the profiler lists there too, are not
    kernels."""
    kernels = [event for event in events if event.device_type != DeviceType.CPU and not event.is_user_annotation]
    return sum(event.self_device_time_total for event in kernels) / 1e6


def kind_of(operator: str) -> str:
    """Kind of work of an operator, by its name in the profiler."""
    return next((kind for kind, parts in KINDS.items() if any(part in operator for part in parts)), OTHER)
