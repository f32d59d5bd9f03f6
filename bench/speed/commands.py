"""What a command of the suite costs: seconds on the clock, and of CPU time in all its processes."""

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

INTERVAL = 0.2  # seconds between looks at the processes


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float


def run(words: list[str], log: Path) -> Cost:
    """Of `python -m bench …`, Ray's processes included. Raises BadInput where the command fails.

    The looks miss the last moments of each process, and the system's account those that outlive their parent: the
    larger of the two counts.
    """
    command, seconds = [sys.executable, "-m", "bench", *words], {}
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    started, accounted = time.perf_counter(), of_children()
    with open(log, "w") as out, psutil.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment) as process:
        while True:
            for one in [process, *descendants(process)]:
                with contextlib.suppress(psutil.Error):
                    seconds[one.pid] = sum(one.cpu_times()[:2])
            try:
                process.wait(INTERVAL)
                break
            except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
                continue
    if process.returncode:
        raise BadInput(f"python -m bench {words[0]} ended with {process.returncode}: {log.read_text()[-300:]}")
    return Cost(time.perf_counter() - started, max(sum(seconds.values()), of_children() - accounted))


def of_children() -> float:
    """CPU seconds of all processes that this one has waited for, and of those that these have waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def descendants(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return process.children(recursive=True)
    return []
