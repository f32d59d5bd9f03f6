"""Write files atomically: readers see the old content or the new, also after a kill.

Imports no torch.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_json(path: Path, value: dict) -> None:
    write_text(path, json_text(value))


def json_text(value: dict, finite: bool = False) -> str:
    """Readable JSON. finite: raise ValueError for NaN and infinite numbers."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=not finite) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which then replaces `path`. On an error, as of a full disk, it is removed."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Wait until the file's content is on the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files that a kill has left in a folder and below. Call while nothing writes there."""
    for leftover in folder.rglob("*.tmp"):
        leftover.unlink(missing_ok=True)
