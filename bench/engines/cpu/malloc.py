"""What glibc does with freed memory. By default it gives large blocks back to the system; a training step, which asks
for the same blocks over and over, then gets them page by page: 5 % of a step's time on a CPU."""

import ctypes
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt(3)
DEFAULT = {MMAP_THRESHOLD: 32 * 2**20, TRIM_THRESHOLD: 64 * 2**20}  # what it adapts to when large blocks are freed
KEEP = {MMAP_THRESHOLD: 2**30, TRIM_THRESHOLD: 2**31 - 1}


@contextmanager
def kept() -> Iterator[None]:
    """Within, freed memory stays with the process; afterwards glibc's defaults hold. Nothing on other C libraries."""
    settle(KEEP)
    try:
        yield
    finally:
        settle(DEFAULT)


def settle(options: dict[int, int]) -> None:
    for name, value in options.items():
        if mallopt():
            mallopt()(name, value)


@functools.cache
def mallopt():
    """glibc's mallopt, or None where there is none."""
    return getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
