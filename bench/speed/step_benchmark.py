"""`python -m bench.speed`: every workload and task, all implementations in turn, as one JSON object."""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch

from bench import ROOT
from bench.engines import engine_class
from bench.run import provenance
from bench.speed import flop_counts
from bench.speed.implementations import OURS, PRECISION, build_step
from bench.speed.interleaved_timing import interleave, ratio
from bench.speed.machine_throughput import faster, ideal_seconds, machine_throughput
from bench.speed.step_process import StepFailed, StepProcess
from bench.speed.step_profile import seconds_by_kind
from bench.speed.workloads import TASKS, WORKLOADS, Workload, find_workload

PROFILED = "ours-bf16"


def benchmark(options: argparse.Namespace, device: torch.device, say: Callable[[str], None]) -> dict:
    """{"command", "hardware", …, "networks": {name: see `benchmark_workload`}}."""
    result = {"finished": None, "command": options.command, "rounds": options.rounds, "device": device.type}
    hardware = provenance.hardware(device, engine_class(device).name)
    result |= provenance.git() | {"hardware": hardware, "reference": bool(options.reference)}
    result["networks"] = {}
    for name in options.only or WORKLOADS:
        workload = find_workload(name, device, options.batch)
        result["networks"][name] = benchmark_workload(workload, options, device, say)
    return result | {"finished": provenance.now()}


def benchmark_workload(workload: Workload, options, device: torch.device, say: Callable[[str], None]) -> dict:
    """{"arch", "batch", "threads", "rates", "profile", "tasks": {task: see `benchmark_task`}}.

    `profile` is of OAT's step. `rates`: the machine is measured before and after the tasks, and the faster one of the
    two counts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(workload.threads or threads)
    say(f"{workload.name}: its convolutions one by one, and a matrix product")
    rates_before, tasks = machine_throughput(workload, device), {}
    result = {"arch": workload.arch, "shape": workload.shape, "batch": workload.batch, "evaluated": workload.evaluated}
    for task in options.tasks or TASKS:
        say(f"{workload.name}: {TASKS[task]}")
        tasks[task] = benchmark_task(workload, task, options, device)
    if "oat" in tasks:
        step = build_step(PROFILED, workload, "oat", device)
        result["profile"] = {"side": PROFILED, "seconds": seconds_by_kind(step, device)}
    rates = faster(rates_before, machine_throughput(workload, device))
    result |= {"threads": torch.get_num_threads(), "rates": rates}
    torch.set_num_threads(threads)
    for row in tasks.values():
        for side in row["sides"].values():
            side |= utilisation(rates[side["precision"]], row["passes"], side["flops_per_s"], row["flops"])
    return result | {"tasks": tasks}


def utilisation(rates: dict, passes: dict, flops_per_s: float, flops: int) -> dict:
    """Fractions of what the machine can do: {"conv_share": the time that the convolutions alone would take over the
    step's, "matrix_share": FLOP/s over those of a matrix product}."""
    conv_share = flops_per_s * ideal_seconds(rates, passes) / flops
    return {"conv_share": conv_share, "matrix_share": flops_per_s / rates["matrix_product"]}


def benchmark_task(workload: Workload, task: str, options, device: torch.device) -> dict:
    """{"base", "images", "macs", "passes", "flops", "sides": {implementation: {"precision", "seconds", "images_per_s",
    "flops_per_s", "peak_bytes", "speedup"}}}. `speedup`: `interleaved_timing.ratio` of the base's seconds and these."""
    base = baseline(workload, options.reference)
    steps = {name: build_step(name, workload, task, device, options.reference) for name in (base, *OURS)}
    seconds = interleave(steps, options.rounds, options.warmup)
    steps.clear()
    passes, flops, images = flop_counts.passes(workload, task), flop_counts.flops(workload, task), workload.images(task)
    result = {"base": base, "images": images, "macs": flop_counts.macs(workload, task), "passes": dict(vars(passes))}
    result |= {"flops": flops, "sides": {}}
    for name, timings in seconds.items():
        median = statistics.median(timings)
        row = {"precision": PRECISION[name], "seconds": timings, "images_per_s": images / median}
        row["flops_per_s"] = flops / median
        row["peak_bytes"] = None if options.no_memory else peak_bytes(name, workload, task, options)
        row["speedup"] = None if name == base else ratio(seconds[base], timings)
        result["sides"][name] = row
    return result


def baseline(workload: Workload, reference: Path | None) -> str:
    """The implementation that ours is compared with: the authors' where it exists, else the eager engine."""
    return "authors" if reference and workload.authors else "eager"


def peak_bytes(implementation: str, workload: Workload, task: str, options) -> int | None:
    """Peak memory of one step in a fresh process; None where that fails, e.g. for want of memory."""
    request = {"implementation": implementation, "workload": workload.name, "task": task, "device": options.device}
    request |= {"batch": options.batch, "threads": workload.threads or torch.get_num_threads()}
    request["reference"] = options.reference and str(options.reference)
    try:
        with StepProcess(ROOT, **request) as process:
            return process.first_step().peak_bytes
    except StepFailed:
        return None
