"""Keep freed memory with the process while a network trains.

By default glibc returns large blocks to the system; a training step, which asks for the same blocks over and over, then
gets these page by page, which took 5 % of a step's time on a CPU.
"""

import ctypes
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt(3)
DEFAULT = {MMAP_THRESHOLD: 32 * 2**20, TRIM_THRESHOLD: 64 * 2**20}  # glibc's own values after large blocks were freed
KEEP = {MMAP_THRESHOLD: 2**30, TRIM_THRESHOLD: 2**31 - 1}


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Freed memory stays with the process in this context; glibc's defaults hold afterwards. No effect on other C
    libraries."""
    set_options(KEEP)
    try:
        yield
    finally:
        set_options(DEFAULT)


def set_options(options: dict[int, int]) -> None:
    for name, value in options.items():
        if mallopt():
            mallopt()(name, value)


@functools.cache
def mallopt():
    """glibc's mallopt, or None where there is none."""
    return getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
