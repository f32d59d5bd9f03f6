"""How this process is set up, whatever the verb: its arguments, the terminal's encoding, garbage collection."""

import gc
import os
import shlex
import sys

from bench.errors import NO_TEXT, BadInput


def collect_garbage_rarely() -> None:
    """Run Python's garbage collector less often, which saves `report` 6 % of its CPU time.

    Imported libraries and drawn figures are many objects that stay alive. Not for processes that train: their garbage
    can hold tensors.
    """
    gc.set_threshold(50_000, 20, 20)


def command_line() -> str:
    """The command as a user can type it again."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def prepare_environment() -> None:
    """Make this process independent of the terminal's encoding and of a Jupyter kernel that started it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's stream may lack it
            stream.reconfigure(errors="backslashreplace")  # λ on a latin-1 terminal
    os.environ.pop("MPLBACKEND", None)  # a kernel's backend need not be installed here; figures go to files


def check_arguments(arguments: list[str]) -> None:
    """Raise BadInput for an argument that is not text in the locale's encoding: plans and results record it."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise BadInput(f"{argument!r}: {NO_TEXT}") from None
