"""Signals that end a command: Ctrl-C, SIGTERM (systemd, `timeout`, SLURM), and SIGHUP (a closed terminal).

The effect depends on the moment. While Python imports the command, exit_at_once ends the process. While the command
runs, a signal raises Interrupted. After the command, a signal ends the process with the command's own exit code.
"""

import atexit
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGHUP", "SIGTERM") if hasattr(signal, name)]
raised: int | None = None  # the signal of an Interrupted: a library may turn that exception into another one


class Interrupted(BaseException):
    """A signal ended the command.

    Ctrl-C does not raise KeyboardInterrupt: if a KeyboardInterrupt leaves code that exec() runs, as in the definition
    of a dataclass, Python ends the process by SIGINT at its exit, even if the exception was caught.
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
    """Let a signal end this process with this exit code from now on. Flush the streams before the call."""
    catch_signals(lambda number, frame: os._exit(code))


def ignore_signals_at_exit() -> None:
    """Ignore signals after all exit functions that are registered later: Python then restores each signal's default
    action, with which a signal would replace the exit code."""
    atexit.register(catch_signals, signal.SIG_IGN)


@contextmanager
def signals_caught_by(handler: Callable) -> Iterator[None]:
    """A context in which the handler is called on each signal; afterwards a signal raises an exception again."""
    catch_signals(handler)
    try:
        yield
    finally:
        catch_signals()
