"""How fast the machine is: a network's convolutions one by one, and one large matrix product.

The convolutions' rate is what a step would reach if nothing but its convolutions took time. Each convolution is timed
forward, backward to the input and backward to the weights, in the faster of two memory formats, and weighted by how
often the step uses it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from bench.engines.precision import cudnn_flag
from bench.speed.flop_counts import Conv, convolutions
from bench.speed.interleaved_timing import seconds_per_run
from bench.speed.workloads import Workload

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MEMORY_FORMATS = (torch.contiguous_format, torch.channels_last)
LEAST_SECONDS, LEAST_TIMINGS = 0.05, 3
MATRIX_SIZE = {"cpu": 1024, "cuda": 8192}


def machine_throughput(workload: Workload, device: torch.device) -> dict[str, dict[str, float]]:
    """{precision: {"forward", "to_input", "to_weights", "matrix_product"}}: seconds of all the network's convolutions
    for one image, at the workload's batch; and FLOP/s of a product of two large square matrices."""
    rates = {}
    for precision, dtype in DTYPES.items():
        total = [0.0, 0.0, 0.0]
        for conv, count in convolutions(workload).items():
            for i, seconds in enumerate(convolution_seconds(conv, workload.batch, dtype, device)):
                total[i] += count * seconds / workload.batch
        rates[precision] = dict(zip(("forward", "to_input", "to_weights"), total, strict=True))
        rates[precision]["matrix_product"] = matrix_product_rate(dtype, device)
    return rates


def faster(first: dict, second: dict) -> dict[str, dict[str, float]]:
    """The better number of two measurements of the machine, for each precision and quantity."""
    return {
        precision: {
            name: (max if name == "matrix_product" else min)(value, second[precision][name])
            for name, value in rates.items()
        }
        for precision, rates in first.items()
    }


def ideal_seconds(rates: dict[str, float], passes: dict[str, int]) -> float:
    """Time of a step of which nothing but the convolutions takes time. `rates`: of one precision."""
    return sum(rates[direction] * images for direction, images in passes.items())


def convolution_seconds(conv: Conv, batch: int, dtype: torch.dtype, device: torch.device) -> list[float]:
    """Seconds of a batch [forward, to the input, to the weights], each in its faster memory format."""
    timings = [seconds_in_format(conv, batch, dtype, device, memory_format) for memory_format in MEMORY_FORMATS]
    return [min(pair) for pair in zip(*timings, strict=True)]


def seconds_in_format(conv: Conv, batch: int, dtype: torch.dtype, device: torch.device, memory_format) -> list[float]:
    x = torch.rand(batch, conv.inputs, conv.size, conv.size, device=device, dtype=dtype)
    weight = torch.rand(conv.outputs, conv.inputs, conv.kernel, conv.kernel, device=device, dtype=dtype) - 0.5
    x, weight = (tensor.to(memory_format=memory_format) for tensor in (x, weight))
    stride, padding, dilation = ([value, value] for value in (conv.stride, conv.kernel // 2, 1))

    def forward() -> Tensor:
        return torch.conv2d(x, weight, None, stride, padding)

    gradient = torch.rand_like(forward())

    def backward(*output_mask: bool) -> Callable:
        call = torch.ops.aten.convolution_backward
        shape = (None, stride, padding, dilation, False, [0, 0], 1)  # bias, …, transposed, output padding, groups
        return lambda: call(gradient, x, weight, *shape, [*output_mask, False])

    return [fastest(forward), fastest(backward(True, False)), fastest(backward(False, True))]


@cudnn_flag("benchmark")
@torch.no_grad()
def fastest(call: Callable) -> float:
    """Seconds per call in the fastest of LEAST_TIMINGS timings, which together take about LEAST_SECONDS or one call
    each. On a GPU in cuDNN's benchmark mode, as the steps."""
    once = min(seconds_per_run(call, 1), seconds_per_run(call, 1))
    repeats = max(1, int(LEAST_SECONDS / LEAST_TIMINGS / max(once, 1e-7)))
    return min(seconds_per_run(call, repeats) for _ in range(LEAST_TIMINGS))


def matrix_product_rate(dtype: torch.dtype, device: torch.device, size: int | None = None) -> float:
    """FLOP/s of a product of two square matrices, of MATRIX_SIZE or another size."""
    n = size or MATRIX_SIZE[device.type]
    a, b = (torch.rand(n, n, device=device, dtype=dtype) for _ in range(2))
    return 2 * n**3 / fastest(lambda: a @ b)
