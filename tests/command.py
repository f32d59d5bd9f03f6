"""Run the command line as users do, in a subprocess."""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONTIERS = "suites/frontiers.yaml"
FINISHED = (FRONTIERS, "suites/masking.yaml")  # what the fixture finished_runs has run
TINY = "tests/scales/tiny.yaml"
SMALL = ("--scale", TINY, "--seeds", 1)
STARTS_PROCESSES = ("run", "trial", "ui")
# A Jupyter kernel in a C locale, on a latin-1 terminal.
JUPYTER_IN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
JUPYTER_IN_C |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "TERM": "dumb"}


def environment() -> dict[str, str]:
    """The environment without variables that a developer's shell may set for the suite."""
    prefixes = ("BENCH_", "MLFLOW_", "PYTHONDONTWRITE")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def bench(*arguments: object, timeout: float = 240, **variables: str) -> subprocess.CompletedProcess:
    """Run `python -m bench …` at the repository's root to its end, capturing its output.

    Commands that start no process and get no variables of their own are forks of a process that is warm.
    """
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    if arguments[0] not in STARTS_PROCESSES and not variables:
        return warm_bench(command[3:])
    env = environment() | variables
    text = {"encoding": "utf-8", "errors": "backslashreplace"}  # a test may choose another encoding of the terminal
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=timeout, check=False, **text)


def warm_bench(arguments: list[str]) -> subprocess.CompletedProcess:
    server = warm_server()
    with tempfile.NamedTemporaryFile() as stdout, tempfile.NamedTemporaryFile() as stderr:
        request = {"arguments": arguments, "env": environment(), "stdout": stdout.name, "stderr": stderr.name}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        output = (Path(file.name).read_text("utf-8", "backslashreplace") for file in (stdout, stderr))
        return subprocess.CompletedProcess(arguments, code, *output)


@functools.cache
def warm_server() -> subprocess.Popen:
    """tests/warm_commands.py, one for each worker of pytest-xdist."""
    command = [sys.executable, "-m", "tests.warm_commands"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)
    return server


def start(*arguments: object, **variables: str) -> subprocess.Popen:
    """Start `python -m bench …` at the repository's root."""
    command, env = [sys.executable, "-m", "bench", *map(str, arguments)], environment() | variables
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition: Callable[[], object], seconds: float = 120):
    """Wait for the condition to become true, and return its value. Fails after this many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"the condition was not true within {seconds} s")


def kill(process: subprocess.Popen, signal_number: signal.Signals) -> str:
    """Send the signal, wait for the process to end, and return what it printed."""
    process.send_signal(signal_number)
    return process.communicate(timeout=60)[0]
