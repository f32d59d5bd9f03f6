"""How a full disk is recognised and reported."""

import errno
from pathlib import Path

CODES = (errno.ENOSPC, errno.EDQUOT)
TEXTS = ("No space left on device", "Disk quota exceeded", "database or disk is full")  # of Rust, torch and SQLite


class DiskFull(Exception):
    """A disk has no space left. The CLI prints `str(error)`, one line, and exits 1."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that a disk, or a quota, is full."""
    if isinstance(error, DiskFull):
        return True
    return getattr(error, "errno", None) in CODES or any(text in str(error) for text in TEXTS)


def disk_full_line(error: BaseException, folder: Path) -> str:
    """One line that says what is full, and what to do."""
    where = getattr(error, "filename", None) or folder
    return f"no space left on the disk of {where}: free some, and rerun the same command; what is finished is kept"
