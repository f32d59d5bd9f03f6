"""How far a download has come: a bar with speed and time left on a terminal, otherwise a plain line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

LINE_EVERY = 10.0  # seconds between plain lines: enough to see that it moves, few enough for a log


def say(console: Console, line: str) -> None:
    """One plain line: brackets in a path are no markup, and a long path is not broken in two."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(console: Console, label: str, done: int, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the number of bytes just received. `done` bytes were there before."""
    if console.is_terminal:
        with _bar(console, label, done, total) as advance:
            yield advance
    else:
        yield _lines(console, label, done, total)


@contextmanager
def _bar(console: Console, label: str, done: int, total: int) -> Iterator[Callable[[int], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(label, total=total, completed=done)
        yield lambda received: bar.advance(task, received)


def _lines(console: Console, label: str, done: int, total: int) -> Callable[[int], None]:
    began = last = time.monotonic()
    received = 0

    def advance(count: int) -> None:
        nonlocal received, last
        received += count
        now = time.monotonic()
        if now - last < LINE_EVERY and done + received < total:
            return
        last = now
        speed = received / max(now - began, 1e-3)
        left = (total - done - received) / speed
        megabytes = f"{(done + received) / 1e6:.1f} of {total / 1e6:.1f} MB"
        say(console, f"{label}: {megabytes}, {speed / 1e6:.2f} MB/s, {left:.0f} s left")

    return advance
