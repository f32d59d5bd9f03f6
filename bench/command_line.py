"""Run a command line in this process: every error becomes one line on stderr and an exit code."""

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench import interruption
from bench.disk_full import DiskFull, disk_full_line, is_disk_full
from bench.errors import BadInput, one_line
from bench.interruption import Interrupted, catch_signals, exit_code, hold_exit_code, ignore_signals_at_exit
from bench.process_setup import check_arguments, prepare_environment
from bench.spec.engine_choice import chosen_engine

PLAIN = {"highlight": False, "markup": False, "emoji": False}  # names and paths are printed as they are
SCRIPT = "oat-bench"  # what a shell completes; pyproject.toml
COMPLETION = {"--install-completion", "--show-completion"}
console = Console(stderr=True, **PLAIN)


def run_process(command: Callable) -> None:
    """Run the command with this process's arguments, and exit with its code."""
    ignore_signals_at_exit()
    try:
        prepare_environment()
        catch_signals()
        code = run_command(command, sys.argv[1:])
    except BaseException:
        if interruption.raised is None:
            raise
        code = exit_code(interruption.raised)
    hold_exit_code(code)
    if "triton" not in sys.modules:  # torch.export imports it; its frozen objects would be reported as leaks
        gc.freeze()  # otherwise Python scans all imported objects once more at exit, which takes a second after a run
    sys.exit(code)


def run_command(command: Callable, arguments: list[str]) -> int:
    """Run a command of click, such as typer makes.

    Returns its exit code: 0 all done, 1 a trial failed, or the disk is full, 2 bad input, 130 after Ctrl-C, 143 after
    SIGTERM.
    """
    from bench.data import DataError

    try:
        chosen_engine()  # an unknown engine is bad input to every verb
        check_arguments(arguments)
        name = SCRIPT if COMPLETION & set(arguments) else None  # None: as it was called
        code = command(arguments, standalone_mode=False, prog_name=name)
        sys.stdout.flush()
    except (BadInput, DataError) as error:
        console.print(one_line(error), style="red", soft_wrap=True)
        code = 2
    except OSError as error:
        if is_disk_full(error):
            code = say_disk_full(error)
        elif isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        else:
            where = f"{error.filename}: " if error.filename else ""
            console.print(one_line(f"{where}{error.strerror or error}"), style="red", soft_wrap=True)
            code = 2
    except Interrupted as error:
        code = error.exit_code
    except Exception as error:
        if is_disk_full(error):
            code = say_disk_full(error)
        elif hasattr(error, "format_message"):
            print_usage_error(error)
            code = error.exit_code
        else:
            raise
    return code or 0


def print_usage_error(error) -> None:
    """Print an error of click's parser (typer has a copy of click, so that its class is not known) as one line."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        remedy = f" (see python -m bench {context.info_name} --help)" if context and context.parent else ""
        console.print(one_line(error.format_message() + remedy), style="red", soft_wrap=True)


def say_disk_full(error: Exception) -> int:
    """Print one line, and return the exit code."""
    line = str(error) if isinstance(error, DiskFull) else disk_full_line(error, Path.cwd())
    console.print(one_line(line), style="red", soft_wrap=True)
    return 1
