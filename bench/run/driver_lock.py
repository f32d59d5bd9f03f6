"""One driver at a time per runs directory."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BadInput


@contextmanager
def driver_lock(runs: Path) -> Iterator[None]:
    """Hold `runs/lock`; raises BadInput when another process holds it. The system frees it when the process ends."""
    runs.mkdir(parents=True, exist_ok=True)
    with open(runs / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"another command is running trials in {runs}: wait for it, or choose --runs") from None
        yield
