"""The CLI as users call it: a subprocess."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONTIERS = "suites/frontiers.yaml"


def environment() -> dict[str, str]:
    """Without what a developer's shell may set for the suite itself."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("BENCH_", "MLFLOW_", "PYTHONDONTWRITE"))}


def bench(*words: object, timeout: float = 240, **variables: str) -> subprocess.CompletedProcess:
    """Run `python -m bench …` at the repository's root and return it with its texts."""
    command = [sys.executable, "-m", "bench", *map(str, words)]
    where = environment() | variables
    return subprocess.run(command, cwd=ROOT, env=where, capture_output=True, text=True, timeout=timeout, check=False)


def start(*words: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "bench", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(condition: Callable[[], object], seconds: float = 120):
    """The condition's first true value. Fails after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain")


def kill(process: subprocess.Popen, how: signal.Signals) -> str:
    """Send the signal, wait for the end, and return what the process had printed."""
    process.send_signal(how)
    return process.communicate(timeout=60)[0]
