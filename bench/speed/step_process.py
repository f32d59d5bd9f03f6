"""A step in a process of its own (`step_server`), of this checkout or of another one."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

SERVER = Path(__file__).with_name("step_server.py")


class StepFailed(Exception):
    """The process of a step ended without an answer, e.g. for want of memory; the message is its last line."""


class FirstStep(NamedTuple):
    """Memory (step_server.peak_memory) and seconds of the first step, which allocates what later steps keep."""

    peak_bytes: int
    process_bytes: int
    seconds: float


class StepProcess:
    """Runs a step of the checkout `root` (the folder that holds `bench`) in a child process.

    `request`: implementation, workload, task, device, batch, reference, threads (see `step_server.build_step`).
    The constructor does not wait, so that several processes can start side by side.
    """

    def __init__(self, root: Path, **request):
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 — closed by __exit__
        # -P keeps this folder off sys.path, which the child fills with `root`
        command = [sys.executable, "-P", str(SERVER), str(root), json.dumps(request)]
        environment = os.environ | {"OMP_NUM_THREADS": str(request["threads"])}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors, "encoding": "utf-8"}
        self._process = subprocess.Popen(command, cwd=root, env=environment, **pipes)
        self._built = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def wait_until_built(self) -> None:
        """Return once the process has built its network. Raises StepFailed, as the methods below do."""
        if not self._built:
            self._answer()
            self._built = True

    def first_step(self) -> FirstStep:
        return FirstStep(**self._ask("first"))

    def seconds_per_step(self, least: float = 0.0) -> float:
        """Mean over at least one step, and as many as take `least` seconds."""
        return self._ask(f"time {least}")["seconds"]

    def _ask(self, line: str) -> dict:
        self.wait_until_built()
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: `_answer` says why
        return self._answer()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            messages = self._errors.read().splitlines()
            raise StepFailed(messages[-1] if messages else f"the process ended with {code}")
        return json.loads(line)
