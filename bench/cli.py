"""The verbs: plan, run, status, show, report, data, ui, trial, ingest."""

import gc
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import ROOT
from bench.errors import BadInput, unknown
from bench.spec.engine_choice import chosen_engine
from bench.spec.plugins import load_plugins

app = typer.Typer(
    help="The reproducibility benchmark suite for Once-for-All Adversarial Training (NeurIPS 2020).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data_app = typer.Typer(help="The data sets: what is here, and fetching them.", no_args_is_help=True)
app.add_typer(data_app, name="data")
console = Console(stderr=True, highlight=False)

Suites = Annotated[list[Path], typer.Argument(help="Suite files, e.g. suites/frontiers.yaml", show_default=False)]
Scale = Annotated[str, typer.Option(help="How big: laptop, workstation, short, paper, or a file.")]
Only = Annotated[list[str], typer.Option(help="Only this experiment of the suites; may be given again.")]
DatasetOption = Annotated[
    list[str],
    typer.Option(help="NAME=PATH reads the suite's data set NAME from a Parquet file or image folder; NAME alone "
    "takes the official one where the scale has a stand-in."),
]  # fmt: skip
Seeds = Annotated[int | None, typer.Option(min=1, help="Seeds 0 to N-1 of every network, instead of the scale's.")]
Set = Annotated[list[str], typer.Option(help="field=value of every recipe, e.g. epochs=3 or protocol=authors-code.")]
Runs = Annotated[Path, typer.Option(envvar="BENCH_RUNS", help="Where everything is written.")]
Data = Annotated[
    Path,
    typer.Option(envvar="BENCH_DATA", help="Where the official archives lie (default: data/ of this checkout).",
    show_default=False),
]  # fmt: skip
CpusPerTrial = Annotated[int, typer.Option(min=1, help="CPU threads of a trial.")]
GpusPerTrial = Annotated[
    float | None, typer.Option(min=0, help="GPUs of a trial, e.g. 0.5 for two on one. (default: 1 where there are any)")
]
Plugins = Annotated[
    list[Path],
    typer.Option(
        help="Python file that registers a method, attack, probe, norm or figure (docs/extending.md); may be repeated."
    ),
]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster, e.g. ray://head:10001 or auto.")]


@app.command(epilog="Example: python -m bench run suites/frontiers.yaml --scale laptop --only cifar10 --seeds 5")
def run(
    suites: Suites,
    scale: Scale = "laptop",
    only: Only = [],
    dataset: DatasetOption = [],
    seeds: Seeds = None,
    set: Set = [],
    runs: Runs = Path("runs"),
    data: Data = ROOT / "data",
    cpus_per_trial: CpusPerTrial = 1,
    gpus_per_trial: GpusPerTrial = None,
    address: Address = None,
    plugin: Plugins = [],
) -> None:
    """Train and measure what a suite needs and does not have yet, then draw its figures.

    Kill it at any time; the same command goes on from the last finished epoch of every network.
    """
    rarely_collect()
    load_plugins(plugin)
    from bench.run.session import execute

    asked = request(suites, scale, only, dataset, seeds, set, runs, data, cpus_per_trial, gpus_per_trial)
    raise typer.Exit(execute(asked, address, console, command_line()))


@app.command(epilog="Example: python -m bench plan suites/frontiers.yaml --scale paper --json")
def plan(
    suites: Suites,
    scale: Scale = "laptop",
    only: Only = [],
    dataset: DatasetOption = [],
    seeds: Seeds = None,
    set: Set = [],
    runs: Runs = Path("runs"),
    data: Data = ROOT / "data",
    cpus_per_trial: CpusPerTrial = 1,
    gpus_per_trial: GpusPerTrial = None,
    address: Address = None,
    plugin: Plugins = [],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")] = False,
) -> None:
    """What `run` with the same arguments would do, and what it would cost here. Starts nothing."""
    load_plugins(plugin)
    from bench.run.execution_plan import preview

    asked = request(suites, scale, only, dataset, seeds, set, runs, data, cpus_per_trial, gpus_per_trial)
    preview(asked, as_json, Console(highlight=False))


def request(suites, scale, only, dataset, seeds, set, runs, data, cpus_per_trial, gpus_per_trial):
    """The arguments shared by `run` and `plan`; paths absolute, because workers run elsewhere."""
    from bench.run.execution_plan import Request

    options = tuple(only), tuple(dataset), seeds, tuple(set)
    return Request(tuple(suites), scale, *options, runs.resolve(), data.resolve(), cpus_per_trial, gpus_per_trial)


@app.command(epilog="Example: python -m bench status --runs runs")
def status(runs: Runs = Path("runs")) -> None:
    """How far every planned network is."""
    from bench.run.status import show

    show(runs.resolve(), Console(highlight=False))


@app.command(epilog="Example: python -m bench show a632 --runs runs")
def show(
    key: Annotated[str, typer.Argument(help="A network's key, or its first digits; figures' CSVs hold it.")],
    runs: Runs = Path("runs"),
) -> None:
    """How one network, a point of a figure, came to be: recipe, commit, hardware, time, selection, counts, commands."""
    from bench.run.show import show as print_all

    print_all(key, runs.resolve(), Console(highlight=False))


@app.command(epilog="Example: python -m bench report fig4 --out docs/results")
def report(
    figures: Annotated[
        list[str], typer.Argument(help="Figures to draw, e.g. fig4; all that were planned if none.")
    ] = [],
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Where to. (default: report/ in the runs directory)")] = None,
    scale: Annotated[str | None, typer.Option(help="Of which scale. (default: the newest plan's)")] = None,
    plugin: Plugins = [],
) -> None:
    """Draw figures from what has finished, as PNG, SVG, PDF, and CSV, with an index.html. Gaps are marked."""
    rarely_collect()
    load_plugins(plugin)
    from reports.build import ReportError, build

    try:
        written = build(figures or None, runs.resolve(), out or runs / "report", scale)
    except ReportError as error:
        raise BadInput(str(error)) from None
    for path in written:
        typer.echo(path)


@app.command(epilog="Example: python -m bench ui --port 5000")
def ui(
    runs: Runs = Path("runs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")] = 5000,
) -> None:
    """MLflow's pages on the right store, at 127.0.0.1."""
    from bench.tracking.server import serve

    raise typer.Exit(serve(runs.resolve(), port, console))


@app.command(epilog="Example: python -m bench trial recipe.json --directory out --source digits")
def trial(
    recipe: Annotated[Path, typer.Argument(help="A recipe.json, e.g. of a trial's directory.", show_default=False)],
    directory: Annotated[Path, typer.Option(help="The trial's directory: made, or gone on with.")],
    source: Annotated[str, typer.Option(help="A data set's name or a path. (default: the recipe's)")] = "",
    lambdas: Annotated[str, typer.Option(help="Measured λ: a set's name. (default: the recipe's own)")] = "",
    test_images: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    data: Data = ROOT / "data",
    cpus_per_trial: CpusPerTrial = 1,
    plugin: Plugins = [],
) -> None:
    """Train and measure one network in one directory, with torch alone: no Ray, no MLflow.

    For a node without a network: copy the directory back under runs/trials/ and `ingest` it.
    """
    load_plugins(plugin)
    from bench.run.trial_command import run_one

    raise typer.Exit(run_one(recipe, directory, source, lambdas, test_images, data, cpus_per_trial))


@app.command(epilog="Example: python -m bench ingest --runs copied-runs")
def ingest(runs: Runs = Path("runs")) -> None:
    """Rebuild MLflow's index from the trials' directories, after copying them or losing the database."""
    from bench.run.session import ingest as rebuild

    typer.echo(f"{rebuild(runs.resolve(), console)} runs are in the index")


@data_app.command("list", epilog="Example: python -m bench data list")
def data_list(data: Data = ROOT / "data") -> None:
    """The named data sets and whether their archives are here."""
    from bench.data.official_archives import OFFICIAL_DATASETS, is_available

    for name in OFFICIAL_DATASETS:
        typer.echo(f"{name:10s} {'here' if is_available(name, data) else f'absent: python -m bench data fetch {name}'}")
    typer.echo(f"{'digits':10s} here (embedded in scikit-learn)")


@data_app.command("fetch", epilog="Example: python -m bench data fetch cifar10")
def data_fetch(
    name: Annotated[str, typer.Argument(help="cifar10, svhn, or stl10", show_default=False)], data: Data = ROOT / "data"
) -> None:
    """Download an official data set: mirrors in turn, resumed where it was cut, checked against its MD5."""
    from bench.data.fetch import fetch
    from bench.data.official_archives import OFFICIAL_DATASETS

    if name not in OFFICIAL_DATASETS:
        raise BadInput(f"data fetch: {unknown('data set', name, OFFICIAL_DATASETS)}")
    fetch(name, data, console)


def rarely_collect() -> None:
    """Look for garbage seldom: the objects of libraries imported and figures drawn are many, and stay.
    That saves a report 6 % of its CPU time. Not for verbs that train, whose garbage may hold tensors."""
    gc.set_threshold(50_000, 20, 20)


def command_line() -> str:
    """The command as a user can type it again."""
    words = ["python", "-m", "bench", *sys.argv[1:]]
    return shlex.join(words)


def main() -> None:
    """Exit codes: 0 all done, 1 a trial failed, 2 bad input, 130 interrupted."""
    from bench.data import DataError

    guarded: Callable = typer.main.get_command(app)
    try:
        chosen_engine()  # an unknown engine is bad input to every verb
        code = guarded(standalone_mode=False)
    except (BadInput, DataError) as error:
        console.print(str(error), markup=False, style="red", soft_wrap=True)
        code = 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        else:
            where = f"{error.filename}: " if error.filename else ""
            console.print(f"{where}{error.strerror or error}", markup=False, style="red", soft_wrap=True)
            code = 2
    except typer.Exit as error:
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except Exception as error:  # click's own: usage errors know how to show themselves
        if not hasattr(error, "show"):
            raise
        error.show()
        code = error.exit_code
    gc.freeze()  # or Python looks through all that was imported once more before it ends: a second after a run
    sys.exit(code or 0)
