"""Signals that end a command: Ctrl-C, SIGTERM (systemd, `timeout`, SLURM), and SIGHUP (a closed terminal)."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(BaseException):
    """A signal other than Ctrl-C's, which raises KeyboardInterrupt, ended the command."""

    def __init__(self, number: int):
        super().__init__(f"signal {number}")
        self.exit_code = exit_code(number)


def exit_code(number: int) -> int:
    """What a shell reports of a process that the signal ended: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + number


def raise_interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt if number == signal.SIGINT else Interrupted(number)


def catch_signals(handler: Callable = raise_interrupted) -> None:
    """Call the handler on each signal. Signals that the caller had ignored, as `nohup` has, stay ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


@contextmanager
def signals_caught_by(handler: Callable) -> Iterator[None]:
    """A context in which the handler is called on each signal; afterwards a signal raises an exception again."""
    catch_signals(handler)
    try:
        yield
    finally:
        catch_signals()
