"""Run the command line as users do, in a subprocess."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.warm_client import ROOT, WarmCommand, run_warm

FRONTIERS = "suites/frontiers.yaml"
FINISHED = (FRONTIERS, "suites/masking.yaml")  # what the fixture finished_runs has run
TINY = "tests/scales/tiny.yaml"
SMALL = ("--scale", TINY, "--seeds", 1)
# A Jupyter kernel in a C locale, on a latin-1 terminal.
JUPYTER_IN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
JUPYTER_IN_C |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "TERM": "dumb"}


def environment() -> dict[str, str]:
    """The environment without variables that a developer's shell may set for the suite."""
    prefixes = ("BENCH_", "MLFLOW_", "PYTHONDONTWRITE")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def bench(*arguments: object, timeout: float = 240, **variables: str) -> subprocess.CompletedProcess:
    """Run `python -m bench …` at the repository's root to its end, capturing its output.

    A command with variables of its own is a new Python. Others are forks of a process that is warm.
    """
    words = list(map(str, arguments))
    if not variables:
        return run_warm(words, environment())
    command, env = [sys.executable, "-m", "bench", *words], environment() | variables
    text = {"encoding": "utf-8", "errors": "backslashreplace"}  # a test may choose another encoding of the terminal
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=timeout, check=False, **text)


def start(*arguments: object, **variables: str) -> WarmCommand:
    """Start `bench …`, in a fork of the warm process: none of the variables is one that Python reads as it starts."""
    return WarmCommand(list(map(str, arguments)), environment() | variables)


def wait_for(condition: Callable[[], object], seconds: float = 120, pause: float = 0.1):
    """Wait for the condition to become true, and return its value. Fails after this many seconds. pause: seconds
    between two looks."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"the condition was not true within {seconds} s")


def kill(process: WarmCommand, signal_number: signal.Signals) -> str:
    """Send the signal, wait for the process to end, and return what it printed."""
    process.send_signal(signal_number)
    return process.communicate(timeout=60)[0]


def handles_signals(pid: int) -> bool:
    """Whether bench handles signals in the process: in its first twentieth of a second Python itself is starting.

    Reads SIGTERM's handler, the last one that catch_signals sets.
    """
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)
