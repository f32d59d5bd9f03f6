"""Where results come from: commit, time, versions, hardware."""

import datetime
import functools
import os
import platform
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench import ROOT
from bench.run.machine_limits import cpu_count

OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # git sets these in hooks, for another checkout
UNKNOWN = {"commit": "unknown", "dirty": True}


def git() -> dict:
    """{"commit", "dirty"} of the checkout that contains this file; the commit is "unknown" outside a checkout."""
    return read_git()[0]


def git_commit() -> dict:
    """{"git_commit", "git_dirty"}, as results.json's provenance names them."""
    return {f"git_{name}": value for name, value in git().items()}


def why_unknown() -> str | None:
    """One line on why the commit is recorded as unknown, with the remedy; None where it is known."""
    return read_git()[1]


def read_git(root: Path = ROOT) -> tuple[dict, str | None]:
    """The commit, and why it is unknown (None where it is known)."""
    begin = "the commit is recorded as unknown"
    try:
        top, commit = git_output(root, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        if Path(top).resolve() != root.resolve():
            return UNKNOWN, f"{begin}: {root} is no git checkout, but lies in that of {top}: clone it elsewhere"
        changes = git_output(root, "status", "--porcelain", "--untracked-files=no")
        return {"commit": commit, "dirty": bool(changes)}, None
    except OSError:
        return UNKNOWN, f"{begin}: git cannot be started: install git"
    except ValueError as error:
        reason = str(error)
        if "dubious ownership" in reason:
            remedy = f"git config --global --add safe.directory {shlex.quote(str(root))}"
            return UNKNOWN, f"{begin}: git does not trust {root}, which another user owns: {remedy}"
        return UNKNOWN, f"{begin}: {reason.removeprefix('fatal: ')}"


def git_output(root: Path, *arguments: str) -> str:
    """What git prints about a checkout. Raises OSError without git, ValueError with the first line of its message."""
    variables = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    options = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "env": variables | {"LC_ALL": "C"}}
    done = subprocess.run(["git", *arguments], cwd=root, **options)
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"git ended with {done.returncode}"])[0])
    return done.stdout.strip()


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


@functools.cache
def cpu_name() -> str:
    """The CPU's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
