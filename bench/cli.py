"""The command line: verbs plan, run, status, show, report, ui, trial, ingest, data."""

import gc
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import ROOT
from bench.errors import BadInput, one_line, unknown
from bench.interruption import Interrupted, catch_signals
from bench.run.disk_full import DiskFull, disk_full_line, is_disk_full
from bench.spec.engine_choice import chosen_engine
from bench.spec.plugins import load_plugins

NO_TEXT = "not text in this locale's encoding: set PYTHONUTF8=1, or rename it"

app = typer.Typer(
    help="The reproducibility benchmark suite for Once-for-All Adversarial Training (NeurIPS 2020).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data_app = typer.Typer(help="List and download the data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")
PLAIN = {"highlight": False, "markup": False, "emoji": False}  # names and paths are printed as they are
console = Console(stderr=True, **PLAIN)

Suites = Annotated[list[Path], typer.Argument(help="Suite files, e.g. suites/frontiers.yaml", show_default=False)]
Scale = Annotated[
    str, typer.Option(help="How big: smoke, laptop, workstation, workstation-fashion, short, paper, or a YAML file.")
]
Only = Annotated[list[str], typer.Option(help="Run only this experiment of the suites; can be repeated.")]
DatasetOption = Annotated[
    list[str],
    typer.Option(help="NAME=PATH reads the suite's data set NAME from Parquet, IDX or image files; NAME alone "
    "uses the official data set instead of the scale's stand-in."),
]  # fmt: skip
LabelColumn = Annotated[
    str, typer.Option(help="Column of labels in the Parquet files of --dataset. (default: label)", show_default=False)
]
ImageColumn = Annotated[
    str,
    typer.Option(
        help="Column of images in the Parquet files of --dataset. (default: image or img)", show_default=False
    ),
]
Seeds = Annotated[
    int | None, typer.Option(min=1, help="Train seeds 0 to N-1 of every network, instead of the scale's number.")
]
Set = Annotated[
    list[str], typer.Option(help="Set field=value in every recipe, e.g. epochs=3 or protocol=authors-code.")
]
Runs = Annotated[Path, typer.Option(envvar="BENCH_RUNS", help="The directory that everything is written to.")]
Data = Annotated[
    Path,
    typer.Option(envvar="BENCH_DATA", help="The folder of the official archives (default: data/ of this checkout).",
    show_default=False),
]  # fmt: skip
CpusPerTrial = Annotated[int, typer.Option(min=1, help="CPU threads of a trial.")]
GpusPerTrial = Annotated[
    float | None,
    typer.Option(min=0, help="GPUs of a trial; 0.5 runs two trials on one GPU. (default: 1 if there is a GPU)"),
]
Plugins = Annotated[
    list[Path],
    typer.Option(
        help="Python file that registers a method, attack, probe, norm or figure (docs/extending.md); can be repeated."
    ),
]
Address = Annotated[str | None, typer.Option(help="Use a running Ray cluster, e.g. ray://head:10001 or auto.")]


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
) -> None:
    """Train and measure what a suite lacks, then draw its figures.

    Safe to interrupt: rerun the command to resume every network from its last finished epoch.
    """
    collect_garbage_rarely()
    load_plugins(plugin)
    from bench.run.run_command import execute

    dataset = add_columns(dataset, label_column, image_column)
    request = make_request(suites, scale, only, dataset, seeds, set, runs, data, cpus_per_trial, gpus_per_trial)
    try:
        code = execute(request, address, console, command_line())
    except (KeyboardInterrupt, Interrupted):
        console.print("interrupted: rerun the same command to resume")
        raise
    raise typer.Exit(code)


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
) -> None:
    """Print what `run` with the same arguments would do, and its estimated cost on this machine. Starts nothing."""
    load_plugins(plugin)
    from bench.run.plan_command import print_plan

    dataset = add_columns(dataset, label_column, image_column)
    request = make_request(suites, scale, only, dataset, seeds, set, runs, data, cpus_per_trial, gpus_per_trial)
    print_plan(request, as_json, Console(**PLAIN))


def make_request(suites, scale, only, dataset, seeds, set, runs, data, cpus_per_trial, gpus_per_trial):
    """The Request of the arguments that `run` and `plan` share, with absolute paths: workers run in other folders."""
    from bench.run.execution_plan import Request

    options = tuple(only), tuple(dataset), seeds, tuple(set)
    folders = checked_folder(runs, "--runs"), checked_folder(data, "--data")
    return Request(tuple(suites), scale, *options, *folders, cpus_per_trial, gpus_per_trial)


def checked_folder(path: Path, option: str) -> Path:
    """The absolute path. Raises BadInput for a path that is no text, which no record could hold."""
    try:
        absolute = path.resolve()
        str(absolute).encode()
    except (ValueError, OSError) as error:  # ValueError: a NUL, or bytes that are not in the locale's encoding
        raise BadInput(f"{option} {path}: {getattr(error, 'strerror', None) or NO_TEXT}") from None
    return absolute


def add_columns(datasets: list[str], label_column: str, image_column: str) -> list[str]:
    """The values of --dataset with the columns of their Parquet files. Raises BadInput where no path is given."""
    from bench.data import Columns, with_columns

    columns = Columns(label_column, image_column)
    for option, column in zip(("--label-column", "--image-column"), columns, strict=True):
        if column and not any("=" in dataset for dataset in datasets):
            raise BadInput(f"{option} {column}: is for the Parquet files of --dataset NAME=PATH: give them too")
    return [with_columns(dataset, columns) if "=" in dataset else dataset for dataset in datasets]


@app.command(epilog="Example: python -m bench status --runs runs")
def status(runs: Runs = Path("runs")) -> None:
    """Print the state of every planned network."""
    from bench.run.status_command import print_status

    print_status(runs.resolve(), Console(**PLAIN))


@app.command(epilog="Example: python -m bench show a632 --runs runs")
def show(
    key: Annotated[str, typer.Argument(help="A network's key, or its first digits, as in the CSV files of figures.")],
    runs: Runs = Path("runs"),
) -> None:
    """Print how one network, a point of a figure, was made: recipe, commit, hardware, time, selection, counts."""
    from bench.run.show_command import print_trial

    print_trial(key, runs.resolve(), Console(**PLAIN))


@app.command(epilog="Example: python -m bench predict a632 photo.png --lam 0.3")
def predict(
    key: Annotated[str, typer.Argument(help="A network's key, its first digits, or its directory.")],
    images: Annotated[list[Path], typer.Argument(help="Image files; all get the training images' size.")],
    lam: Annotated[
        float | None, typer.Option(help="λ in [0,1]: 0 for accuracy, 1 for robustness. PGD-AT needs none.")
    ] = None,
    width: Annotated[float, typer.Option(help="Width factor of a slimmable network.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per image and nothing else.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Classify images by a trained network, with the trade-off chosen now."""
    from bench.run.predict_command import print_predictions

    print_predictions(key, images, lam, width, as_json, runs.resolve(), Console(**PLAIN))


@app.command(epilog="Example: python -m bench report fig4 --out docs/results")
def report(
    figures: Annotated[list[str], typer.Argument(help="Figures to draw, e.g. fig4. (default: all planned ones)")] = [],
    runs: Runs = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="The folder to write to. (default: report/ in the runs directory)")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Draw the runs of this scale. (default: the newest plan's)")] = None,
    formats: Annotated[str, typer.Option(help="Formats of the images, e.g. png.")] = "png,svg,pdf",
    archive: Annotated[
        Path | None,
        typer.Option(
            help="Also write plans and results, without weights, to this .tar.xz or .tar.gz.", show_default=False
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
    plans: Annotated[
        list[str], typer.Option("--plan", help="Only plans whose name in plans/ begins so; may be repeated.")
    ] = [],
    tex: Annotated[bool, typer.Option("--tex", help="Also write numbers.tex: LaTeX macros and tables.")] = False,
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

    options = scale, parse_formats(formats), archive
    if archive:
        compression(archive)  # a wrong name is refused before figures are drawn
    if two_runs and (archive or source or scale or tex or plans):
        raise BadInput("--compare takes none of --archive, --from, --scale, --plan and --tex")
    try:
        with unpacked(source) if source else nullcontext(runs.resolve()) as folder:
            warn = lambda text: console.print(text, markup=False, style="yellow", soft_wrap=True)  # noqa: E731
            if two_runs:
                written = compare(*two_runs, out or runs / "report", figures or None)
            else:
                written = build(figures or None, folder, out or runs / "report", *options, warn, plans)
                written += [write_latex(out or runs / "report")] if tex else []
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


@app.command(epilog="Example: python -m bench trial recipe.json --directory out --source digits")
def trial(
    recipe: Annotated[Path, typer.Argument(help="A recipe.json, e.g. from a trial's directory.", show_default=False)],
    directory: Annotated[Path, typer.Option(help="The trial's directory: created, or resumed.")],
    source: Annotated[str, typer.Option(help="A data set's name or path. (default: the recipe's)")] = "",
    lambdas: Annotated[str, typer.Option(help="Name of the λ set to measure at. (default: the recipe's)")] = "",
    test_images: Annotated[int | None, typer.Option(min=1, help="Measure on the first N test images only.")] = None,
    label_column: LabelColumn = "",
    image_column: ImageColumn = "",
    data: Data = ROOT / "data",
    cpus_per_trial: CpusPerTrial = 1,
    plugin: Plugins = [],
) -> None:
    """Train and measure one network in one directory, without Ray and MLflow.

    For machines without a network: copy the directory back under runs/trials/ and run `ingest`.
    """
    load_plugins(plugin)
    from bench.data import Columns, with_columns
    from bench.run.trial_command import run_trial_command

    source = with_columns(source, Columns(label_column, image_column))

    raise typer.Exit(run_trial_command(recipe, directory, source, lambdas, test_images, data, cpus_per_trial))


@app.command(epilog="Example: python -m bench ingest --runs copied-runs")
def ingest(runs: Runs = Path("runs")) -> None:
    """Rebuild MLflow's index from the trials' directories, after copying them or losing the database."""
    from bench.run.ingest_command import ingest as ingest_trials

    typer.echo(f"{ingest_trials(runs.resolve(), console)} runs are in the index")


@data_app.command("list", epilog="Example: python -m bench data list")
def data_list(data: Data = ROOT / "data") -> None:
    """List the data sets and whether their archives are here."""
    from bench.data.official_archives import OFFICIAL_DATASETS, is_available

    for name in OFFICIAL_DATASETS:
        typer.echo(f"{name:16s} {'here' if is_available(name, data) else f'absent: python -m bench data fetch {name}'}")
    typer.echo(f"{'fashion-mnist-8k':16s} here (embedded in this repository)")
    typer.echo(f"{'digits':16s} here (embedded in scikit-learn)")


@data_app.command("check", epilog="Example: python -m bench data check path/to/folder --label-column fine_label")
def data_check(
    path: Annotated[Path, typer.Argument(help="Parquet, IDX or image files", show_default=False)],
    label_column: LabelColumn = "",
    image_column: ImageColumn = "",
    data: Data = ROOT / "data",
) -> None:
    """Read own data as `run` would, every image, and print the splits and what was left out."""
    from bench.data import Columns, absolute, describe, require_files, with_columns

    source = with_columns(absolute(str(path)), Columns(label_column, image_column))
    info = describe(source, data)
    require_files(source, data)
    channels, height, width = info.shape
    size = f"{width} × {height} pixels, {channels} channels"
    typer.echo(f"{info.name}: {info.classes} classes, {info.train} training and {info.test} test images of {size}")
    for line in info.notes:
        typer.echo(line)


@data_app.command("fetch", epilog="Example: python -m bench data fetch cifar10")
def data_fetch(
    name: Annotated[str, typer.Argument(help="cifar10, svhn, stl10, or fashion-mnist", show_default=False)],
    data: Data = ROOT / "data",
) -> None:
    """Download an official data set from its mirrors, resuming partial downloads and checking the MD5."""
    from bench.data.fetch import fetch
    from bench.data.official_archives import OFFICIAL_DATASETS

    if name not in OFFICIAL_DATASETS:
        raise BadInput(f"data fetch: {unknown('data set', name, OFFICIAL_DATASETS)}")
    fetch(name, data, console)


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


def print_usage_error(error) -> None:
    """Print an error of click's parser (typer has a copy of click, so that its class is not known) as one line."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        remedy = f" (see python -m bench {context.info_name} --help)" if context and context.parent else ""
        console.print(one_line(error.format_message() + remedy), style="red", soft_wrap=True)


def main() -> None:
    """Run the command line and exit with its code."""
    prepare_environment()
    catch_signals()
    code = run_command_line(sys.argv[1:])
    gc.freeze()  # otherwise Python scans all imported objects once more at exit, which takes a second after a run
    sys.exit(code)


def run_command_line(arguments: list[str]) -> int:
    """Run one command.

    Returns its exit code: 0 all done, 1 a trial failed, or the disk is full, 2 bad input, 130 after Ctrl-C, 143 after
    SIGTERM.
    """
    from bench.data import DataError

    command: Callable = typer.main.get_command(app)
    try:
        chosen_engine()  # an unknown engine is bad input to every verb
        check_arguments(arguments)
        code = command(arguments, standalone_mode=False)
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
    except typer.Exit as error:
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
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


def say_disk_full(error: Exception) -> int:
    """Print one line, and return the exit code."""
    line = str(error) if isinstance(error, DiskFull) else disk_full_line(error, Path.cwd())
    console.print(one_line(line), style="red", soft_wrap=True)
    return 1
