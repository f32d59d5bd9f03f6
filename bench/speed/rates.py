"""How fast the machine itself is: the network's own convolutions one by one, and one large matrix product.

The conv rate is what a step would reach if nothing but its convolutions took time. Each is timed forward, backward to
the input and backward to the weights, in the faster of the two memory formats, and weighted as the step uses it.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from bench.speed.cases import Case
from bench.speed.counts import Conv, convolutions
from bench.speed.timing import timed

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
FORMATS = (torch.contiguous_format, torch.channels_last)
LEAST_SECONDS, LEAST_RUNS = 0.05, 3
MATRIX = {"cpu": 1024, "cuda": 8192}


def of_machine(case: Case, device: torch.device) -> dict[str, dict[str, float]]:
    """{precision: {"forward", "to_input", "to_weights", "matrix_product"}}: seconds of all the network's convolutions
    for one image, at the case's batch; and FLOP/s of a product of two large square matrices."""
    found = {}
    for name, dtype in DTYPES.items():
        total = [0.0, 0.0, 0.0]
        for conv, count in convolutions(case).items():
            for i, seconds in enumerate(of(conv, case.batch, dtype, device)):
                total[i] += count * seconds / case.batch
        found[name] = dict(zip(("forward", "to_input", "to_weights"), total, strict=True))
        found[name]["matrix_product"] = matrix_product(dtype, device)
    return found


def faster(one: dict, other: dict) -> dict[str, dict[str, float]]:
    """Of two measurements of the machine the better of each number."""
    return {
        precision: {name: better(name)(rate[name], other[precision][name]) for name in rate}
        for precision, rate in one.items()
    }


def better(name: str) -> Callable:
    return max if name == "matrix_product" else min


def ideal_seconds(rate: dict[str, float], passes: dict[str, int]) -> float:
    """Of a step of which nothing but the convolutions takes time."""
    return sum(rate[direction] * images for direction, images in passes.items())


def of(conv: Conv, batch: int, dtype: torch.dtype, device: torch.device) -> list[float]:
    """Seconds of a batch forward, to the input, to the weights."""
    timings = [directions(conv, batch, dtype, device, memory) for memory in FORMATS]
    return [min(pair) for pair in zip(*timings, strict=True)]


def directions(conv: Conv, batch: int, dtype: torch.dtype, device: torch.device, memory) -> list[float]:
    x = torch.rand(batch, conv.inputs, conv.size, conv.size, device=device, dtype=dtype).to(memory_format=memory)
    weight = torch.rand(conv.outputs, conv.inputs, conv.kernel, conv.kernel, device=device, dtype=dtype) - 0.5
    weight = weight.to(memory_format=memory)
    padding = conv.kernel // 2

    def forward() -> Tensor:
        return torch.conv2d(x, weight, None, conv.stride, padding)

    gradient = torch.rand_like(forward())

    def backward(*mask: bool) -> Callable:
        stride, pad, one = ([value, value] for value in (conv.stride, padding, 1))
        call = torch.ops.aten.convolution_backward
        return lambda: call(gradient, x, weight, None, stride, pad, one, False, [0, 0], 1, [*mask, False])

    return [fastest(forward), fastest(backward(True, False)), fastest(backward(False, True))]


@torch.no_grad()
def fastest(call: Callable) -> float:
    """Seconds of the fastest of at least LEAST_RUNS runs, as many as LEAST_SECONDS hold."""
    once = timed(call, 1, time.perf_counter)
    once = min(once, timed(call, 1, time.perf_counter))
    repeats = max(1, int(LEAST_SECONDS / LEAST_RUNS / max(once, 1e-7)))
    return min(timed(call, repeats, time.perf_counter) for _ in range(LEAST_RUNS))


def matrix_product(dtype: torch.dtype, device: torch.device) -> float:
    n = MATRIX[device.type]
    a, b = (torch.rand(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / fastest(lambda: a @ b)
