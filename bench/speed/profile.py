"""Where the time of our training step goes, by kind of work: what a step that falls short of its convolutions' rate
spends the rest on."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

KINDS = {  # of aten operators, by what their names contain; the first that fits
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
    """{kind of work: seconds} of one step, after one to warm up. On a GPU the time of its kernels."""
    step()
    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda) as found:
        step()
    seconds = dict.fromkeys([*KINDS, OTHER], 0.0)
    for event in found.key_averages():
        spent = event.self_device_time_total if cuda else event.self_cpu_time_total
        seconds[kind_of(event.key)] += spent / 1e6
    return seconds


def kind_of(operator: str) -> str:
    return next((kind for kind, words in KINDS.items() if any(word in operator for word in words)), OTHER)
