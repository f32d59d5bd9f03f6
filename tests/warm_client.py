"""Commands in forks of a warm process (tests/warm_commands.py), one such process for all workers of pytest-xdist."""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent


class WarmServer:
    """A connection to the warm process, which ends when its last client has gone."""

    def __init__(self):
        test_run = os.environ.get("PYTEST_XDIST_TESTRUNUID", os.getpid())
        address = self.address = f"{tempfile.gettempdir()}/oat-bench-tests-{test_run}"
        self.workers = f"{address}-workers"  # the server for Ray's workers
        self.connection = socket.socket(socket.AF_UNIX)
        with FileLock(f"{address}.lock"):
            if self.connection.connect_ex(address):
                for path in (address, self.workers):
                    Path(path).unlink(missing_ok=True)  # of a server that was killed
                command, null = [sys.executable, "-m", "tests.warm_commands", address], subprocess.DEVNULL
                self.process = subprocess.Popen(command, cwd=ROOT, stdin=null, stdout=null)
                while self.connection.connect_ex(address):
                    time.sleep(0.01)
        self.answers = self.connection.makefile(encoding="utf-8")
        self.codes: dict[int, int] = {}  # by process id, of commands that have ended

    def start(self, arguments: list[str], env: dict[str, str], output: Path, errors: Path | str) -> int:
        """Start a command, and return its process id. errors: "" for the output's file."""
        request = {"arguments": arguments, "env": env, "output": str(output), "errors": str(errors)}
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        while True:
            if pid := self.read_answer():
                return pid

    def wait(self, pid: int) -> int:
        """The exit code of a command, when it has ended."""
        while pid not in self.codes:
            self.read_answer()
        return self.codes[pid]

    def read_answer(self) -> int | None:
        """The process id of a command that has started; None for one that has ended."""
        pid, *code = map(int, self.answers.readline().split())
        if not code:
            return pid
        self.codes[pid] = code[0]
        return None


@functools.cache
def warm_server() -> WarmServer:
    return WarmServer()


def run_warm(arguments: list[str], env: dict[str, str]) -> subprocess.CompletedProcess:
    """Run a command to its end, capturing its output."""
    server = warm_server()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("stdout", "stderr")]
        code = server.wait(server.start(arguments, env, *files))
        output = (file.read_text("utf-8", "backslashreplace") for file in files)
        return subprocess.CompletedProcess(arguments, code, *output)


def modules_of_the_driver() -> set[str]:
    """The modules that a new Python has after it has imported the driver of a run and the report (DRIVER of
    tests/warm_commands.py)."""
    run_warm(["--version"], dict(os.environ))  # answered when all is imported
    return set(Path(f"{warm_server().address}.modules").read_text("utf-8").split())


class WarmCommand:
    """A running command: as much of subprocess.Popen as tests use. `stdout`: all its output."""

    def __init__(self, arguments: list[str], env: dict[str, str]):
        self.returncode: int | None = None
        with tempfile.TemporaryDirectory() as folder:
            pipe = Path(folder) / "output"
            os.mkfifo(pipe)
            self.pid = warm_server().start(arguments, env, pipe, "")
            self.stdout = open(pipe, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, waits for the command

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """The exit code, when the command has ended. Raises TimeoutExpired after these seconds."""
        waiting = threading.Thread(target=warm_server().wait, args=[self.pid], daemon=True)
        self.finish(waiting, timeout)
        self.returncode = warm_server().wait(self.pid)
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, None]:
        """(the rest of the output, None), when the command has ended. Raises TimeoutExpired after these seconds."""
        output = []
        self.finish(threading.Thread(target=lambda: output.append(self.stdout.read()), daemon=True), timeout)
        self.stdout.close()
        self.wait(timeout)
        return output[0], None

    def finish(self, thread: threading.Thread, timeout: float) -> None:
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
