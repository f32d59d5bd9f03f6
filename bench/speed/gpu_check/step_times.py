"""Training steps of OAT: the authors' code where it is given, the eager engine, and the engines for GPUs."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.engines.eager import EagerEngine
from bench.engines.gpu.engine import GpuEngine
from bench.engines.gpu.graphs import GraphedGpuEngine, NoGraph
from bench.engines.precision import tf32_convolutions
from bench.speed import flop_counts
from bench.speed.gpu_check.parts import Request, precisions, workloads
from bench.speed.implementations import Step, build_step, in_benchmark_mode, suite_step
from bench.speed.interleaved_timing import interleave, ratio
from bench.speed.step_profile import kernel_seconds, kinds_of_events, profiled_events
from bench.speed.workloads import Workload

ROUNDS, WARM_UP = 3, 2
ENGINES = {"eager": EagerEngine, "gpu": GpuEngine, "gpu-graphs": GraphedGpuEngine}
PLAIN = ("eager", "gpu")  # those that every device can run


@dataclass(frozen=True)
class Side:
    """`engine`: a key of ENGINES, or authors. `profiled`: whether its kernels are timed too."""

    engine: str
    precision: str
    profiled: bool = False

    @property
    def label(self) -> str:
        return "authors' code" if self.engine == "authors" else f"{self.engine} engine, {self.precision}"


def sides(device: str, with_authors: bool) -> list[Side]:
    """The first one is what the others are compared with. torch's default, TF32 convolutions, holds for the authors'
    code. Kernels are timed of the authors' code and in the last precision, graphs in the last one on a GPU alone."""
    all_precisions = precisions(device)
    authors = [Side("authors", "tf32" if "tf32" in all_precisions else "fp32", True)] * with_authors
    ours = [Side(engine, p, p == all_precisions[-1]) for p in all_precisions for engine in PLAIN]
    return authors + ours + [Side("gpu-graphs", all_precisions[-1], True)] * (device == "cuda")


def time_steps(request: Request) -> Iterator[dict]:
    for workload in workloads(request):
        yield network_row(workload, request)


def network_row(workload: Workload, request: Request) -> dict:
    """{"network", "batch", "flops" of a step, "sides": {label: {"engine", "precision", "seconds", "speedup",
    "peak_bytes", "kernel_seconds"} or {…, "error"}}, "kinds": {label: {kind of work: seconds}} of the profiled sides}.

    `speedup`: the ratio to the first side that could run. On a CPU kernels and memory are None."""
    device, steps, results, kinds = torch.device(request.device), {}, {}, {}
    chosen = sides(request.device, bool(request.reference) and workload.authors)
    for side in chosen:
        results[side.label] = {"engine": side.engine, "precision": side.precision}
        try:
            steps[side.label], results[side.label]["peak_bytes"] = first_step(side, workload, device, request.reference)
        except (torch.OutOfMemoryError, NoGraph) as error:
            results[side.label]["error"] = str(error) if isinstance(error, NoGraph) else "out of memory"
            torch.cuda.empty_cache()
    seconds = interleave(steps, ROUNDS, WARM_UP) if steps else {}
    for label, timings in seconds.items():
        base = next(iter(seconds))
        results[label] |= {"seconds": timings, "speedup": None if label == base else ratio(seconds[base], timings)}
    for side in chosen:
        if side.profiled and side.label in steps:
            events = profiled_events(steps[side.label], device)
            kinds[side.label] = kinds_of_events(events, device)
            results[side.label]["kernel_seconds"] = kernel_seconds(events) if device.type == "cuda" else None
    row = {"network": workload.name, "batch": workload.batch, "flops": flop_counts.flops(workload, "oat")}
    return row | {"sides": results, "kinds": kinds}


def first_step(side: Side, workload: Workload, device: torch.device, reference: str | None) -> tuple[Step, int | None]:
    """A side's step, run once, and the peak of the GPU's memory that it needed, weights and optimiser included. Raises
    NoGraph where graphs are this side's, and fail."""
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if cuda else 0
    step = build_side(side, workload, device, reference)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoGraph)
        step()
    return step, torch.cuda.max_memory_allocated() - before if cuda else None


def build_side(side: Side, workload: Workload, device: torch.device, reference: str | None) -> Step:
    if side.engine != "authors":
        return in_benchmark_mode(suite_step(workload, "oat", device, side.precision, ENGINES[side.engine]))
    step = build_step("authors", workload, "oat", device, Path(reference))

    def with_torch_defaults() -> object:
        with tf32_convolutions(True):
            return step()

    return with_torch_defaults
