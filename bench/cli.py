"""The command line: the verbs that run experiments here, the others in bench/cli_results.py, cli_models.py, …"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import bench
from bench import ROOT, cli_data, cli_files, cli_models, cli_results, cli_sharing
from bench.cli_options import (
    Address,
    CpusPerTrial,
    Data,
    DatasetOption,
    GpusPerTrial,
    ImageColumn,
    LabelColumn,
    Only,
    Plugins,
    Runs,
    Scale,
    Seeds,
    Set,
    Suites,
)
from bench.command_line import PLAIN, console, run_command, run_process
from bench.interruption import Interrupted
from bench.process_setup import collect_garbage_rarely, command_line
from bench.spec.plugins import load_plugins

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")


def print_version(wanted: bool) -> None:
    """Print the version and the commit, and exit."""
    if wanted:
        from bench.run.provenance import git

        state = git()
        changes = " with changes" if state["dirty"] and state["commit"] != "unknown" else ""
        typer.echo(f"oat-bench {bench.__version__}, commit {state['commit']}{changes}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print version and commit.")
    ] = False,
) -> None:
    """The reproducibility benchmark suite for Once-for-All Adversarial Training (NeurIPS 2020)."""


@app.command(epilog="Example: python -m bench run suites/frontiers.yaml --scale laptop --only cifar10 --seeds 5")
def run(
    suites: Suites,
    scale: Scale = "laptop",
    only: Only = [],
    dataset: DatasetOption = [],
    label_column: LabelColumn = "",
    image_column: ImageColumn = "",
    seeds: Seeds = None,
    set: Set = [],
    runs: Runs = Path("runs"),
    data: Data = ROOT / "data",
    cpus_per_trial: CpusPerTrial = 1,
    gpus_per_trial: GpusPerTrial = None,
    address: Address = None,
    plugin: Plugins = [],
    quiet: Annotated[bool, typer.Option("--quiet", help="Print warnings and failures alone.")] = False,
) -> None:
    """Train and measure what a suite lacks, then draw its figures.

    Safe to interrupt: rerun the command to resume every network from its last finished epoch.
    """
    collect_garbage_rarely()
    load_plugins(plugin)
    from bench.run.quiet_console import QuietConsole
    from bench.run.request import request_of
    from bench.run.run_command import execute

    columns, shares = (label_column, image_column), (cpus_per_trial, gpus_per_trial)
    request = request_of(suites, scale, only, dataset, columns, seeds, set, runs, data, *shares)
    with remark_on_interrupt():
        raise typer.Exit(execute(request, address, QuietConsole(**PLAIN) if quiet else console, command_line()))


@app.command(epilog="Example: python -m bench plan suites/frontiers.yaml --scale paper --json")
def plan(
    suites: Suites,
    scale: Scale = "laptop",
    only: Only = [],
    dataset: DatasetOption = [],
    label_column: LabelColumn = "",
    image_column: ImageColumn = "",
    seeds: Seeds = None,
    set: Set = [],
    runs: Runs = Path("runs"),
    data: Data = ROOT / "data",
    cpus_per_trial: CpusPerTrial = 1,
    gpus_per_trial: GpusPerTrial = None,
    address: Address = None,
    plugin: Plugins = [],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    trials: Annotated[
        Path | None,
        typer.Option(
            help="Also write a KEY.json per missing network to this directory, for `trial` on machines without Ray.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print what `run` with the same arguments would do, and its estimated cost on this machine, or with --address on
    the cluster. Trains nothing."""
    load_plugins(plugin)
    from bench.run.plan_command import print_plan
    from bench.run.request import request_of

    columns, shares = (label_column, image_column), (cpus_per_trial, gpus_per_trial)
    request = request_of(suites, scale, only, dataset, columns, seeds, set, runs, data, *shares)
    print_plan(request, as_json, Console(**PLAIN), address, trials, command_line())


@app.command(epilog="Example: python -m bench recipe suites/frontiers.yaml --out recipes")
def recipe(
    suites: Suites,
    out: Annotated[Path, typer.Option(help="The folder to write KEY/recipe.json to.", show_default=False)],
    scale: Scale = "laptop",
    only: Only = [],
    dataset: DatasetOption = [],
    label_column: LabelColumn = "",
    image_column: ImageColumn = "",
    seeds: Seeds = None,
    set: Set = [],
    data: Data = ROOT / "data",
    plugin: Plugins = [],
) -> None:
    """Write the recipe.json of each network of a suite, all that determines it, without training."""
    load_plugins(plugin)
    from bench.run.recipe_command import write_recipes
    from bench.run.request import checked_folder, request_of

    columns = label_column, image_column
    request = request_of(suites, scale, only, dataset, columns, seeds, set, out, data, 1, None)
    write_recipes(request, checked_folder(out, "--out"), Console(**PLAIN))


@app.command(epilog="Example: python -m bench status --json --runs runs")
def status(
    runs: Runs = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Print the state of every planned network, the seeds of a network in one line."""
    from bench.run.status_command import print_status

    print_status(runs.resolve(), Console(**PLAIN), as_json)


@app.command(epilog="Example: python -m bench trial jobs/306d1f0c2a9b7e54.json --cpus-per-trial 4")
def trial(
    file: Annotated[
        Path, typer.Argument(help="A KEY.json of `plan --trials`, or the recipe.json of a trial.", show_default=False)
    ],
    directory: Annotated[
        Path | None,
        typer.Option(
            help="The trial's directory: created, or resumed. (default: trials/KEY beside KEY.json)", show_default=False
        ),
    ] = None,
    source: Annotated[str, typer.Option(help="A data set's name or path. (default: the file's)")] = "",
    lambdas: Annotated[str, typer.Option(help="Of a recipe: the λ set to measure at. (default: the recipe's)")] = "",
    test_images: Annotated[
        int | None, typer.Option(min=1, help="Of a recipe: measure on the first N test images only.")
    ] = None,
    label_column: LabelColumn = "",
    image_column: ImageColumn = "",
    data: Data = ROOT / "data",
    cpus_per_trial: CpusPerTrial = 1,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            min=0, help="0: train on the CPU; 1: fail where there is no GPU. (default: a GPU if there is one)"
        ),
    ] = None,
    plugin: Plugins = [],
) -> None:
    """Train one network in one directory and take its suites' measurements, without Ray and MLflow.

    Safe to interrupt: rerun the command to resume. `ingest DIR` brings the directory of all KEY.json home.
    """
    load_plugins(plugin)
    from bench.data import Columns, with_columns
    from bench.run.trial_command import TrialRequest, run_trial_command

    source = with_columns(source, Columns(label_column, image_column))
    settings = source, lambdas, test_images, data, cpus_per_trial, gpus_per_trial
    with remark_on_interrupt():
        raise typer.Exit(run_trial_command(TrialRequest(file, directory, *settings)))


@app.command(epilog="Example: python -m bench ingest jobs --runs runs")
def ingest(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Directories of `plan --trials`, other runs directories, or single trials to copy to --runs."
        ),
    ] = [],
    runs: Runs = Path("runs"),
) -> None:
    """Copy trials and their plans into the runs directory, and rebuild MLflow's index from the trials' directories."""
    from bench.run.ingest_command import ingest as ingest_trials

    typer.echo(f"{ingest_trials(runs.resolve(), console, folders)} runs are in the index")


@contextmanager
def remark_on_interrupt() -> Iterator[None]:
    """Say that the command can be resumed where a signal ends it."""
    try:
        yield
    except Interrupted:
        console.print("interrupted: rerun the same command to resume")
        raise


PANELS = {
    "Run experiments": ("list", "plan", "run", "status", "recipe", "trial", "ingest"),
    "Look at results": ("report", "open", "show", "ui"),
    "Use a trained network": ("predict", "dial", "attack-from", "export-model", "log-models"),
    "Share": ("export", "import"),
    "Files": ("data", "forget", "clean"),
}


class InPanels(typer.core.TyperGroup):
    """The commands in the order of PANELS, then those that PANELS lacks."""

    def list_commands(self, context) -> list[str]:
        names = [name for panel in PANELS.values() for name in panel if name in self.commands]
        return [*names, *(name for name in self.commands if name not in names)]


def assemble() -> None:
    """Add the verbs of the other files, and give each its panel of `--help`."""
    app.info.cls = InPanels
    commands = [*app.registered_commands]
    for group in (cli_results.app, cli_files.app, cli_models.app, cli_sharing.app):
        app.add_typer(group)
        commands += group.registered_commands
    app.add_typer(cli_data.app, name="data", rich_help_panel="Files")
    for command in commands:
        name = command.name or command.callback.__name__
        command.rich_help_panel = next((panel for panel, names in PANELS.items() if name in names), "Commands")


assemble()


def run_command_line(arguments: list[str]) -> int:
    """Run one command in this process. Returns its exit code, see `run_command`."""
    return run_command(typer.main.get_command(app), arguments)


def main() -> None:
    """Run the command line and exit with its code."""
    run_process(typer.main.get_command(app))
