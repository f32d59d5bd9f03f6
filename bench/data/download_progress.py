"""Progress of a download: a bar with speed and time left on a terminal, otherwise a plain line every ten seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from bench.human_units import format_bytes, format_duration

LINE_INTERVAL = 10.0  # seconds between plain lines: often enough to see progress, seldom enough for a log


def print_line(console: Console, line: str) -> None:
    """Print one line as it is: no markup, so that paths may contain brackets, and no wrapping of long paths."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def show_progress(console: Console, label: str, start: int, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of bytes just received. `start`: bytes present before the download."""
    if console.is_terminal:
        with _progress_bar(console, label, start, total) as advance:
            yield advance
    else:
        yield _progress_lines(console, label, start, total)


@contextmanager
def _progress_bar(console: Console, label: str, start: int, total: int) -> Iterator[Callable[[int], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(label, total=total, completed=start)
        yield lambda count: bar.advance(task, count)


def _progress_lines(console: Console, label: str, start: int, total: int) -> Callable[[int], None]:
    start_time = last_time = time.monotonic()
    received = 0

    def advance(count: int) -> None:
        nonlocal received, last_time
        received += count
        now = time.monotonic()
        if now - last_time < LINE_INTERVAL and start + received < total:
            return
        last_time = now
        speed = received / max(now - start_time, 1e-3)
        time_left = format_duration((total - start - received) / speed)
        progress = f"{format_bytes(start + received)} of {format_bytes(total)}"
        print_line(console, f"{label}: {progress}, {format_bytes(speed)}/s, {time_left} left")

    return advance
