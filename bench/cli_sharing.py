"""The verbs `export`, `import` and `forget`: give plans and results to others, take theirs, and drop a plan."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import completion
from bench.cli_options import Plans, Runs
from bench.command_line import PLAIN

app = typer.Typer()


@app.command(epilog="Example: python -m bench export fig4 -o results.tar.zst --weights")
def export(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The archive to write: .tar.xz, .tar.gz or .tar.zst.", show_default=False),
    ],
    figures: Annotated[
        list[str],
        typer.Argument(
            help="Figures whose networks are exported, e.g. fig4. (default: all plans)",
            autocompletion=completion.figures,
        ),
    ] = [],
    runs: Runs = Path("runs"),
    scale: Annotated[
        str | None, typer.Option(help="Export plans of this scale. (default: of each figure the newest plan's)")
    ] = None,
    plans: Plans = [],
    weights: Annotated[bool, typer.Option("--weights", help="Also the weights of the networks.")] = False,
) -> None:
    """Write plans and results to one file, for `report --from` and `import` on another machine."""
    from reports.export import export as export_results

    typer.echo(export_results(figures or None, runs.resolve(), out, scale, plans, weights))


@app.command("import", epilog="Example: python -m bench import results.tar.zst --runs runs")
def import_archive(
    archive: Annotated[Path, typer.Argument(help="A file of `export` or `report --archive`.", show_default=False)],
    runs: Runs = Path("runs"),
) -> None:
    """Add the plans, results and weights of an archive to the runs directory.

    Checksums are compared; where the same network has other weights here, it stays as it is, and a line says so.
    """
    from bench.run.import_command import import_archive as add_to_runs

    typer.echo(f"{add_to_runs(archive, runs.resolve(), Console(stderr=True, **PLAIN))} runs are in the index")


@app.command(epilog="Example: python -m bench forget second-smoke --runs runs")
def forget(
    plan: Annotated[
        str, typer.Argument(help="How the name of a file in plans/ begins, e.g. frontiers-smoke.", show_default=False)
    ],
    runs: Runs = Path("runs"),
) -> None:
    """Drop a plan, so that reports no longer draw it. Its networks stay until `clean unplanned`."""
    from bench.run.forget_command import forget as forget_plan

    forget_plan(plan, runs.resolve(), Console(**PLAIN))
