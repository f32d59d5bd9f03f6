"""Where results come from: commit, time, versions, hardware."""

import datetime
import functools
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench import ROOT


def git() -> dict:
    """{"commit", "dirty"} of the checkout that contains this file; the commit is "unknown" outside a checkout."""
    try:
        commit = git_output("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(git_output("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "unknown", "dirty": True}


def git_commit() -> dict:
    """{"git_commit", "git_dirty"}, as results.json's provenance names them."""
    return {f"git_{name}": value for name, value in git().items()}


def git_output(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def now() -> str:
    """The time in UTC, ISO 8601."""
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
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def cpu_name() -> str:
    """The CPU's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
