"""The verbs `list` and `clean`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import ROOT, completion
from bench.cli_options import Data, Plugins, Runs
from bench.command_line import PLAIN, console
from bench.spec.plugins import load_plugins

app = typer.Typer()


@app.command("list", epilog="Example: python -m bench list attacks")
def list_entries(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="experiments, figures, scales, attacks, methods, blends, or datasets. (default: all)",
            autocompletion=completion.kinds_of_entries,
        ),
    ] = None,
    data: Data = ROOT / "data",
    plugin: Plugins = [],
) -> None:
    """List experiments, figures, scales, attacks, methods, blends and data sets, each with a line."""
    load_plugins(plugin)
    from bench.run.list_command import print_list

    print_list(kind, data, Console(**PLAIN))


@app.command(epilog="Example: python -m bench clean checkpoints ray-logs --yes")
def clean(
    kinds: Annotated[
        list[str],
        typer.Argument(
            help="set-aside, half-written, checkpoints (of finished trials), ray-logs, unplanned (trials of no plan). "
            "(default: all but unplanned)",
            autocompletion=completion.kinds_of_files,
        ),
    ] = [],
    runs: Runs = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Print what can be deleted and how much that frees, and ask before deleting.

    Finished networks of a plan stay, and nothing is deleted while a command trains in the runs directory.
    """
    from bench.run import clean_command

    clean_command.clean(runs.resolve(), kinds, Console(**PLAIN), lambda question: yes or agrees(question))


def agrees(question: str) -> bool:
    """Ask on the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        console.print(f"{question} not without --yes", soft_wrap=True)
        return False
    console.print(f"{question} [y/N] ", end="", soft_wrap=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
