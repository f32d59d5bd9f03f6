"""The peak memory of one step, in a fresh process for each side.

On a GPU: torch.cuda.max_memory_allocated, weights and optimiser included. On a CPU: the process's peak resident set
during its first step, less what was resident before it, so that neither Python nor the weights count.
"""

import contextlib
import json
import resource
import subprocess
import sys
from pathlib import Path

import torch

from bench import ROOT

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure(words: list[str]) -> int | None:
    """Bytes, by `python -m bench.speed … --one-step` in a process of its own; None where that failed, e.g. for want of
    memory."""
    command = [sys.executable, "-m", "bench.speed", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])["bytes"] if done.returncode == 0 else None


def of_one_step(step, device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated()
    before = resident("VmRSS")
    forget_the_peak()
    step()
    return max(0, resident("VmHWM") - before)


def resident(field: str) -> int:
    """Bytes of this process now (VmRSS) or at most (VmHWM). Without /proc the peak since its start stands for both."""
    try:
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_the_peak() -> None:
    with contextlib.suppress(OSError):  # then building the network may count too: it is small beside a step
        CLEAR.write_text("5")
