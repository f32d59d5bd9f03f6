"""Signals that end a command: Ctrl-C, SIGTERM (systemd, `timeout`, SLURM), and SIGHUP (a closed terminal).

From a process's start to its end, a signal has one of these effects: while Python imports the command, exit_at_once;
while the command runs, an exception; once it has run, the process ends with the command's own exit code.
"""

import atexit
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
raised: int | None = None  # the signal that raised Interrupted: code that it passes may raise another exception instead


class Interrupted(BaseException):
    """A signal ended the command.

    Ctrl-C raises this, too: where a KeyboardInterrupt passes through code of exec(), as dataclasses have, Python kills
    the process with SIGINT at its exit, although the exception was caught.
    """

    def __init__(self, number: int):
        super().__init__(f"signal {number}")
        self.exit_code = exit_code(number)


def exit_code(number: int) -> int:
    """What a shell reports of a process that the signal ended: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + number


def raise_interrupted(number: int, frame: object) -> None:
    """Raise Interrupted."""
    global raised
    raised = number
    raise Interrupted(number)


def catch_signals(handler: Callable | signal.Handlers = raise_interrupted) -> None:
    """Call the handler on each signal. Signals that the caller had ignored, as `nohup` has, stay ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def exit_at_once(number: int, frame: object) -> None:
    """End this process, which has nothing to save."""
    os._exit(exit_code(number))


def hold_exit_code(code: int) -> None:
    """Let a signal end this process with this exit code from now on, whatever Python still does at its exit.

    The caller has flushed the streams.
    """
    catch_signals(lambda number, frame: os._exit(code))


def ignore_signals_at_exit() -> None:
    """Ignore signals once all exit functions that are registered later have run: then Python itself ends, gives each
    signal its default action back, and a signal would replace the exit code."""
    atexit.register(catch_signals, signal.SIG_IGN)


@contextmanager
def signals_caught_by(handler: Callable) -> Iterator[None]:
    """A context in which the handler is called on each signal; afterwards a signal raises an exception again."""
    catch_signals(handler)
    try:
        yield
    finally:
        catch_signals()
