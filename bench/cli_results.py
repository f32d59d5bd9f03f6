"""Verbs that look at results: `report`, `open`, `show` and `ui`."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.cli_options import Figures, Key, Plans, Plugins, Runs
from bench.command_line import PLAIN, console
from bench.errors import BadInput
from bench.process_setup import collect_garbage_rarely
from bench.spec.plugins import load_plugins

app = typer.Typer()


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
    from bench.archive import compression, unpacked
    from reports.build import build
    from reports.compare import compare
    from reports.figures.figure_files import parse_formats
    from reports.page.latex import write_latex
    from reports.plots.style_options import parse_look

    options, look = (scale, parse_formats(formats), archive), parse_look(style, width)
    if archive:
        compression(archive)  # a wrong name is refused before figures are drawn
    if two_runs and (archive or source or scale or tex or plans or crate):
        raise BadInput("--compare takes none of --archive, --from, --scale, --plan, --tex and --crate")
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
    for path in written:
        typer.echo(path)


@app.command("open", epilog="Example: python -m bench open --runs runs")
def open_report(
    runs: Runs = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="The folder of the report. (default: report/ in the runs directory)")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Start a browser where there is a display.")] = True,
) -> None:
    """Open the report in a browser, and print its path."""
    from bench.run import open_command

    typer.echo(open_command.open_report(runs.resolve(), out, browser))


@app.command(epilog="Example: python -m bench show 0dbc --runs runs")
def show(
    key: Key,
    runs: Runs = Path("runs"),
) -> None:
    """Print how one network, a point of a figure, was made: recipe, commit, hardware, time, selection, counts."""
    from bench.run.show_command import print_trial

    print_trial(key, runs.resolve(), Console(**PLAIN))


@app.command(epilog="Example: python -m bench ui --port 5000")
def ui(
    runs: Runs = Path("runs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
) -> None:
    """Serve MLflow's pages for the runs directory, on this machine only."""
    from bench.tracking.mlflow_server import serve

    raise typer.Exit(serve(runs.resolve(), port, console))
