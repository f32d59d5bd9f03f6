"""Locks on files: one driver at a time per runs directory, one process at a time per trial."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bench.errors import BadInput


@contextmanager
def driver_lock(runs: Path) -> Iterator[None]:
    """Hold `runs/lock`; raises BadInput when another process holds it. The system frees it when the process ends."""
    runs.mkdir(parents=True, exist_ok=True)
    with open(runs / "lock", "a", encoding="utf-8") as lock:
        try:
            lock_file(lock, fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"another command is running trials in {runs}: wait for it, or choose --runs") from None
        yield


def lock_file(file: TextIO, options: int = 0) -> None:
    """Lock an open file. Raises BlockingIOError with the option LOCK_NB, and BadInput where there are no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | options)
    except BlockingIOError:
        raise
    except OSError as error:
        folder, remedy = Path(file.name).parent, "choose a directory on another one, and copy it when it is finished"
        raise BadInput(f"{folder}: its file system has no locks ({error.strerror}): {remedy}") from None
