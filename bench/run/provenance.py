"""Where a number came from: commit, versions, hardware."""

import datetime
import functools
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench import ROOT


def git() -> dict:
    """{"commit", "dirty"} of the checkout this file lies in; commit "unknown" outside of one."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "unknown", "dirty": True}


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def hardware(device, engine: str) -> dict:
    """Describe the machine: {"host_cpu", "device", "threads", "engine", "torch", "python"}."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "host_cpu": f"{cpu_name()}, {cpu_count()} cores",
        "device": name,
        "threads": torch.get_num_threads(),
        "engine": engine,
        "torch": version("torch"),
        "python": platform.python_version(),
    }


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
