"""The command line: the verbs of a run's life here, the others in bench/cli_data.py, cli_files.py, …"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import bench
from bench import ROOT, cli_data, cli_files, cli_models, cli_sharing
from bench.cli_options import (
    Address,
    CpusPerTrial,
    Data,
    DatasetOption,
    Figures,
    GpusPerTrial,
    ImageColumn,
    Key,
    LabelColumn,
    Only,
    Plans,
    Plugins,
    Runs,
    Scale,
    Seeds,
    Set,
    Suites,
)
from bench.command_line import PLAIN, console, run_command, run_process
from bench.errors import BadInput
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


@app.command(epilog="Example: python -m bench show 0dbc --runs runs")
def show(
    key: Key,
    runs: Runs = Path("runs"),
) -> None:
    """Print how one network, a point of a figure, was made: recipe, commit, hardware, time, selection, counts."""
    from bench.run.show_command import print_trial

    print_trial(key, runs.resolve(), Console(**PLAIN))


@app.command(epilog="Example: python -m bench report fig4 --out docs/results")
def report(
    figures: Figures = [],
    runs: Runs = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="The folder to write to. (default: report/ in the runs directory)")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Draw the runs of this scale. (default: the newest plan's)")] = None,
    formats: Annotated[str, typer.Option(help="Formats of the images, e.g. png.")] = "png,svg,pdf",
    archive: Annotated[
        Path | None,
        typer.Option(
            help="Also write plans and results, without weights, to this .tar.xz, .tar.gz or .tar.zst.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Draw from an archive instead of --runs.", show_default=False)
    ] = None,
    two_runs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare",
            metavar="A B",
            help="Compare two runs directories or archives: curves, differences, changed verdicts.",
            show_default=False,
        ),
    ] = None,
    plans: Plans = [],
    style: Annotated[str, typer.Option(help="paper, slides, or a style file of matplotlib.")] = "paper",
    width: Annotated[
        float | None,
        typer.Option(min=2, max=40, help="Width of the images in inches, e.g. 3.25. (default: 4.2, or 5.5 if wide)"),
    ] = None,
    tex: Annotated[bool, typer.Option("--tex", help="Also write numbers.tex: LaTeX macros and tables.")] = False,
    crate: Annotated[
        bool,
        typer.Option("--crate", help="Also write ro-crate-metadata.json: files, verdicts and provenance as JSON-LD."),
    ] = False,
    plugin: Plugins = [],
) -> None:
    """Draw figures from finished trials, as images and CSV, with an index.html. Missing networks are marked."""
    collect_garbage_rarely()
    load_plugins(plugin)
    from reports.build import ReportError, build
    from reports.compare import compare
    from reports.figures.figure_files import parse_formats
    from reports.load.archive import compression, unpacked
    from reports.page.latex import write_latex
    from reports.plots.style_options import parse_look

    options, look = (scale, parse_formats(formats), archive), parse_look(style, width)
    if archive:
        compression(archive)  # a wrong name is refused before figures are drawn
    if two_runs and (archive or source or scale or tex or plans or crate):
        raise BadInput("--compare takes none of --archive, --from, --scale, --plan, --tex and --crate")
    try:
        with unpacked(source) if source else nullcontext(runs.resolve()) as folder:
            warn = lambda text: console.print(text, markup=False, style="yellow", soft_wrap=True)  # noqa: E731
            if two_runs:
                written = compare(*two_runs, out or runs / "report", figures or None, look)
            else:
                written = build(figures or None, folder, out or runs / "report", *options, warn, plans, look)
                written += [write_latex(out or runs / "report")] if tex else []
                if crate:
                    from reports.page.crate import write_crate  # slow to import

                    written.append(write_crate(out or runs / "report", folder, archive))
    except ReportError as error:
        raise BadInput(str(error)) from None
    for path in written:
        typer.echo(path)


@app.command(epilog="Example: python -m bench ui --port 5000")
def ui(
    runs: Runs = Path("runs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
) -> None:
    """Serve MLflow's pages for the runs directory, on this machine only."""
    from bench.tracking.mlflow_server import serve

    raise typer.Exit(serve(runs.resolve(), port, console))


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
    except (KeyboardInterrupt, Interrupted):
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
    for group in (cli_files.app, cli_models.app, cli_sharing.app):
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
