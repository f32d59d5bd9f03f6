"""A part in a process of its own: a crash, a hang or a lack of memory ends this part alone, and a time limit holds."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TextIO

from bench import ROOT
from bench.speed.gpu_check.parts import Request

GRACE_SECONDS = 8  # for a process that is told to end, before it is killed


class PartStopped(Exception):
    """The part's time limit."""


class PartFailed(Exception):
    """The part's process ended with an error; the message is its last line."""


def part_rows(name: str, request: Request) -> Iterator[dict]:
    """Yield the rows of a part as they are measured. Raises PartStopped and PartFailed."""
    command = [sys.executable, "-m", "bench.speed.gpu_check.part_server", name, json.dumps(asdict(request))]
    return rows_of(command, request.seconds)


def rows_of(command: list[str], seconds: float) -> Iterator[dict]:
    """Yield each line that the command prints, read as JSON. Afterwards its whole process group is gone."""
    end, lines = time.monotonic() + seconds, queue.SimpleQueue()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        pipes = {"stdout": subprocess.PIPE, "stderr": errors, "stdin": subprocess.DEVNULL, "encoding": "utf-8"}
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)
        reader = threading.Thread(target=read_lines, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            while (line := lines.get(timeout=max(0.0, end - time.monotonic()))) is not None:
                yield json.loads(line)
            code = process.wait(timeout=max(0.0, end - time.monotonic()))
        except (queue.Empty, subprocess.TimeoutExpired):
            raise PartStopped from None
        finally:
            end_group(process)
            reader.join()
            process.stdout.close()
        if code:
            errors.seek(0)
            messages = [line.strip() for line in errors if line.strip()]
            raise PartFailed(messages[-1] if messages else f"its process ended with {code}")


def read_lines(stream: TextIO, lines: queue.SimpleQueue) -> None:
    """Pass on each whole line, and None at the end."""
    for line in stream:
        if line.endswith("\n"):
            lines.put(line)
    lines.put(None)


def end_group(process: subprocess.Popen) -> None:
    """End the process and all in its group: first politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
