"""Time this checkout's steps against another checkout's of the same project: `python -m bench.speed --against DIR`.

A row is a network, a task and a precision. Each checkout runs it in a process of its own, with its own code; the two
take turns, this other, other this, …, and ratios are taken within a round.
"""

import statistics
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import torch

from bench import ROOT
from bench.engines import engine_class
from bench.errors import BadInput
from bench.run import provenance
from bench.speed.implementations import OURS
from bench.speed.interleaved_timing import ratio
from bench.speed.markdown_tables import markdown
from bench.speed.step_process import FirstStep, StepFailed, StepProcess
from bench.speed.workloads import TASKS, WORKLOADS, Workload, find_workload

TIME_LIMIT, MEMORY_LIMIT = 1.03, 1.05  # this checkout's step over the other's
LEAST_SECONDS = 0.5  # of one timing: shorter steps are repeated within it
WARM_UP_SECONDS = 2.0  # a step this long needs no second one before it is timed
# Images of an evaluation on a CPU, fewer than a workload's, so that all rows in 3 rounds take less than 10 minutes.
EVALUATED = {"resnet34": 8, "wrn-16-8": 4, "wrn-10-2": 32}
HEAD = ["network", "batch", "task", "precision", "this, ms", "other, ms", "time ratio (range)", "time"]
HEAD += ["this, MiB", "other, MiB", "memory ratio", "memory", "step alone, MiB"]


def check(root: Path) -> Path:
    """The folder, absolute. Raises BadInput unless it is a checkout whose steps can be timed."""
    if not (root / "bench" / "speed").is_dir():
        raise BadInput(f"{root} has no bench/speed: AGAINST must name a checkout of this project, 65cb194 or later")
    return root.resolve()


def compare(options, device: torch.device, say: Callable[[str], None]) -> dict:
    """{"command", "hardware", "this", "other" (commits), "rounds", "rows": [see `compare_row`]}.

    `options`: the command line's. Raises BadInput where a checkout cannot run a row."""
    checkouts, rows = {"this": ROOT, "other": options.against}, []
    hardware = provenance.hardware(device, engine_class(device).name)
    about = {"command": options.command, "hardware": hardware, "rounds": options.rounds}
    about |= {name: commit(root) for name, root in checkouts.items()}
    implementations = [name for name in OURS if not options.precisions or OURS[name] in options.precisions]
    for implementation in implementations:  # each checkout compiles its kernels once, which would disturb the first row
        small = find_workload("digits", device, 8)
        compare_row(checkouts, request(small, "oat", implementation, 8, device), rounds=1, warmup=1)
    for name, task, implementation in product(options.only or WORKLOADS, options.tasks or TASKS, implementations):
        batch = options.batch
        if task == "evaluation" and device.type == "cpu":
            batch = batch or EVALUATED.get(name)
        workload = find_workload(name, device, batch)
        row = {"network": name, "images": workload.images(task), "task": task, "precision": OURS[implementation]}
        arguments = request(workload, task, implementation, batch, device)
        row |= compare_row(checkouts, arguments, options.rounds, options.warmup)
        say(", ".join(cells(row)))
        rows.append(row)
    return about | {"finished": provenance.now(), "rows": rows}


def request(workload: Workload, task: str, implementation: str, batch: int | None, device: torch.device) -> dict:
    """Arguments of StepProcess for a row."""
    threads = workload.threads or torch.get_num_threads()
    row = {"implementation": implementation, "workload": workload.name, "task": task, "batch": batch}
    return row | {"device": device.type, "reference": None, "threads": threads}


def compare_row(checkouts: dict[str, Path], arguments: dict, rounds: int, warmup: int) -> dict:
    """{"seconds": {checkout: [per step, one a round]}, "peak_bytes" and "process_bytes": {checkout: bytes},
    "time_ratio", "memory_ratio"}.

    Ratios are this checkout's over the other's; `time_ratio` as from `interleaved_timing.ratio`. The memory is of the
    first step, which is also the first of `warmup` steps. `memory_ratio` is that of the processes: what a step
    adds to its process also has what it imports, and lacks what earlier imports left free.
    """
    with ExitStack() as stack:
        processes = {}
        for name, root in checkouts.items():
            processes[name] = stack.enter_context(StepProcess(root, **arguments))
        try:
            for process in processes.values():
                process.wait_until_built()
            first_steps = {name: warm_up(process, warmup) for name, process in processes.items()}
            seconds = {name: [] for name in processes}
            for i in range(rounds):
                for name in processes if i % 2 == 0 else reversed(processes):
                    seconds[name].append(processes[name].seconds_per_step(LEAST_SECONDS))
        except StepFailed as error:
            label = ", ".join(arguments[name] for name in ("workload", "task", "implementation"))
            raise BadInput(f"{label}: {error}") from None
    of_process = {name: step.process_bytes for name, step in first_steps.items()}
    return {
        "seconds": seconds,
        "peak_bytes": {name: step.peak_bytes for name, step in first_steps.items()},
        "process_bytes": of_process,
        "time_ratio": ratio(seconds["this"], seconds["other"]),
        "memory_ratio": of_process["this"] / of_process["other"],
    }


def warm_up(process: StepProcess, steps: int) -> FirstStep:
    """Run `steps` steps, or the first alone if it is long."""
    first = process.first_step()
    if first.seconds < WARM_UP_SECONDS:
        for _ in range(steps - 1):
            process.seconds_per_step()
    return first


def verdict(low: float, median: float, high: float, limit: float) -> str:
    """`ok` or `OVER` the limit; `unclear` if the median is over it and not every round."""
    if median <= limit:
        return "ok"
    return "OVER" if low > limit else "unclear"


def commit(root: Path) -> str:
    """Abbreviated commit, with `-dirty` if files differ from it; `unknown` outside git."""
    command = ["git", "describe", "--always", "--exclude=*", "--abbrev=10", "--dirty"]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", errors="replace")
    return done.stdout.strip() or "unknown"


def cells(row: dict) -> list[str]:
    """A row of the table, as HEAD names its columns."""
    this_time, other_time = (1000 * statistics.median(row["seconds"][name]) for name in ("this", "other"))
    time, memory = row["time_ratio"], row["memory_ratio"]
    ratio_range = f"**{time['median']:.3f}** ({time['low']:.3f}–{time['high']:.3f})"
    whole, alone = (
        [f"{row[kind][name] / 2**20:,.1f}" for name in ("this", "other")] for kind in ("process_bytes", "peak_bytes")
    )
    return [
        *(row["network"], str(row["images"]), row["task"], row["precision"]),
        *(f"{this_time:,.1f}", f"{other_time:,.1f}", ratio_range, verdict(**time, limit=TIME_LIMIT)),
        *(*whole, f"{memory:.3f}", "ok" if memory <= MEMORY_LIMIT else "OVER", " / ".join(alone)),
    ]


def comparison_text(comparison: dict) -> str:
    """The comparison as a page: commits and machine, the table, and how many rows are within the limits."""
    hardware, rows = comparison["hardware"], comparison["rows"]
    over = [row for row in map(cells, rows) if {"OVER", "unclear"} & {row[7], row[11]}]
    about = (
        f"`{comparison['command']}`: this checkout {comparison['this']}, the other {comparison['other']}; "
        f"{hardware['host_cpu']}, {hardware['device']}, engine: {hardware['engine']}, torch {hardware['torch']}, "
        f"{comparison['finished']}; {comparison['rounds']} rounds. Ratios are this over the other; the limits are "
        f"{TIME_LIMIT - 1:.0%} for the median time and {MEMORY_LIMIT - 1:.0%} for the peak memory of the process."
    )
    count = f"{len(rows) - len(over)} of {len(rows)} rows within both limits."
    return "\n\n".join([about, markdown([HEAD, *map(cells, rows)]), count])
