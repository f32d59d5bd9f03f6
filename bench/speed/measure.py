"""One run: every network and task, all sides in turn, as one JSON object."""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch

from bench.run import provenance
from bench.speed import counts, memory, rates, sides, timing
from bench.speed.cases import CASES, TASKS, Case, case
from bench.speed.profile import seconds_by_kind

OURS = ("ours-fp32", "ours-bf16")


def run(options: argparse.Namespace, device: torch.device, say: Callable[[str], None]) -> dict:
    """{"command", "hardware", …, "networks": {name: …}}, see `network`."""
    found = {"finished": None, "command": options.command, "rounds": options.rounds, "device": device.type}
    found |= provenance.git() | {"hardware": provenance.hardware(device), "reference": bool(options.reference)}
    found["networks"] = {}
    for name in options.only or CASES:
        found["networks"][name] = network(case(name, device, options.batch), options, device, say)
    return found | {"finished": provenance.now()}


def network(case: Case, options, device: torch.device, say: Callable[[str], None]) -> dict:
    """{"arch", "batch", "threads", "rates", "profile", "tasks": {task: …}}, see `rates.of_machine` and `task`; the
    profile is of OAT. The machine is measured before and after the tasks, and the faster of the two counts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(case.threads or threads)
    say(f"{case.name}: its convolutions one by one, and a matrix product")
    before, rows = rates.of_machine(case, device), {}
    found = {"arch": case.arch, "shape": case.shape, "batch": case.batch, "evaluated": case.evaluated}
    for name in options.tasks or TASKS:
        say(f"{case.name}: {TASKS[name]}")
        rows[name] = task(case, name, options, device)
    if "oat" in rows:
        step = sides.of(OURS[-1], case, "oat", device, None)
        found["profile"] = {"side": OURS[-1], "seconds": seconds_by_kind(step, device)}
    found |= {"threads": torch.get_num_threads(), "rates": rates.faster(before, rates.of_machine(case, device))}
    torch.set_num_threads(threads)
    for row in rows.values():
        for side in row["sides"].values():
            side |= shares(found["rates"][side["precision"]], row["passes"], side["flops_per_s"], row["flops"])
    return found | {"tasks": rows}


def shares(rate: dict, passes: dict, flops_per_s: float, flops: int) -> dict:
    """Of what the machine can do: the time that the convolutions alone would take, and the matrix rate."""
    conv = flops_per_s * rates.ideal_seconds(rate, passes) / flops
    return {"conv_share": conv, "matrix_share": flops_per_s / rate["matrix_product"]}


def task(case: Case, name: str, options, device: torch.device) -> dict:
    """{"base", "images", "macs", "passes", "flops", "sides": {side: {"precision", "seconds", "images_per_s",
    "flops_per_s", "peak_bytes", "speedup"}}}. `speedup`: of ours over the base, see timing.ratio."""
    base = base_of(case, options.reference)
    steps = {side: sides.of(side, case, name, device, options.reference) for side in (base, *OURS)}
    seconds = timing.interleave(steps, options.rounds, options.warmup)
    steps.clear()
    passes, flops = counts.passes(case, name), counts.flops(case, name)
    images = case.evaluated if name == "evaluation" else case.batch
    found = {
        "base": base,
        "images": images,
        "macs": counts.macs(case, name),
        "passes": dict(vars(passes)),
        "flops": flops,
    }
    found["sides"] = {}
    for side, timings in seconds.items():
        median, precision = statistics.median(timings), sides.PRECISION[side]
        row = {"precision": precision, "seconds": timings, "images_per_s": images / median}
        row["flops_per_s"] = flops / median
        row["peak_bytes"] = None if options.no_memory else memory.measure(one_step(case, name, side, options))
        row["speedup"] = None if side == base else timing.ratio(seconds[base], timings)
        found["sides"][side] = row
    return found


def base_of(case: Case, root: Path | None) -> str:
    return "authors" if root and case.authors else "plain"


def one_step(case: Case, name: str, side: str, options) -> list[str]:
    words = ["--one-step", side, "--only", case.name, "--tasks", name, "--device", options.device]
    words += ["--threads", str(case.threads or torch.get_num_threads())]
    words += ["--batch", str(options.batch)] if options.batch else []
    return words + (["--reference", str(options.reference)] if options.reference else [])
