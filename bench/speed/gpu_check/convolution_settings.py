"""What cuDNN's benchmark mode and TF32 do to a training step. On a CPU benchmark mode does nothing, and the ratios show
how much the machine varies."""

from collections.abc import Iterator

import torch

from bench.engines.gpu.engine import GpuEngine
from bench.speed.gpu_check.parts import Request, precisions, workloads
from bench.speed.gpu_check.step_times import ROUNDS, WARM_UP
from bench.speed.implementations import in_benchmark_mode, suite_step
from bench.speed.interleaved_timing import interleave, ratio


def time_settings(request: Request) -> Iterator[dict]:
    """{"network", "batch", "seconds": {"PRECISION off": [of each round], "PRECISION on": …}, "benchmark": {precision:
    how many times as fast with benchmark mode}, "tf32": how many times as fast as IEEE fp32, or None}, of steps of OAT
    by the engine for GPUs; on a CPU of the last network alone. Ratios: as of `interleaved_timing.ratio`."""
    device = torch.device(request.device)
    for workload in workloads(request)[-1 if request.device == "cpu" else 0 :]:
        steps = {}
        for precision in precisions(request.device):
            step = suite_step(workload, "oat", device, precision, GpuEngine)
            steps |= {f"{precision} off": step, f"{precision} on": in_benchmark_mode(step)}
        seconds = interleave(steps, ROUNDS, WARM_UP)
        benchmark = {p: ratio(seconds[f"{p} off"], seconds[f"{p} on"]) for p in precisions(request.device)}
        row = {"network": workload.name, "batch": workload.batch, "seconds": seconds, "benchmark": benchmark}
        yield row | {"tf32": ratio(seconds["fp32 on"], seconds["tf32 on"]) if "tf32" in benchmark else None}
