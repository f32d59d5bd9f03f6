"""What a command of the suite costs: seconds on the clock, and CPU seconds of all its processes."""

import contextlib
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import ROOT
from bench.errors import BadInput

INTERVAL = 0.2  # seconds between two samples of the processes' CPU times


@dataclass(frozen=True)
class CommandCost:
    """Seconds on the clock (`wall`) and of CPU time (`cpu`)."""

    wall: float
    cpu: float


def run_and_measure(arguments: list[str], log: Path) -> CommandCost:
    """Run `python -m bench ARGUMENTS` and measure its cost, Ray's processes included; its output goes to `log`. Raises
    BadInput where the command fails.

    Sampling misses the last moments of each process, the system's accounting the processes that outlive their parent:
    the larger of the two sums counts.
    """
    command, cpu_seconds = [sys.executable, "-m", "bench", *arguments], {}
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    started, accounted = time.perf_counter(), cpu_seconds_of_children()
    with open(log, "wb") as out, psutil.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment) as process:
        while True:
            for member in [process, *descendants(process)]:
                with contextlib.suppress(psutil.Error):
                    cpu_seconds[member.pid] = sum(member.cpu_times()[:2])
            try:
                process.wait(INTERVAL)
                break
            except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
                continue
    if process.returncode:
        end = log.read_text(encoding="utf-8", errors="replace")[-300:]
        raise BadInput(f"python -m bench {arguments[0]} ended with {process.returncode}: {end}")
    cpu = max(sum(cpu_seconds.values()), cpu_seconds_of_children() - accounted)
    return CommandCost(time.perf_counter() - started, cpu)


def cpu_seconds_of_children() -> float:
    """CPU seconds of all processes that this one has waited for, and of their own children in turn."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """All processes below it; none if it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.children(recursive=True)
    return []
