"""The verbs `data list`, `data check` and `data fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from bench import ROOT
from bench.cli_options import Data, ImageColumn, LabelColumn
from bench.command_line import console
from bench.errors import BadInput, unknown

app = typer.Typer(help="List, check and download data sets.", no_args_is_help=True)


@app.command("list", epilog="Example: python -m bench data list")
def data_list(data: Data = ROOT / "data") -> None:
    """List the data sets and whether their archives are here."""
    from bench.run.list_command import dataset_lines

    for name, text in dataset_lines(data):
        typer.echo(f"{name:16s} {text}")


@app.command("check", epilog="Example: python -m bench data check path/to/folder --label-column fine_label")
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
    columns = "".join(
        f" {option} {column}"
        for option, column in (("--label-column", label_column), ("--image-column", image_column))
        if column
    )
    command = f"python -m bench run suites/frontiers.yaml --only cifar10 --dataset cifar10={path}{columns}"
    console.print(f"next: {command}", soft_wrap=True)


@app.command("fetch", epilog="Example: python -m bench data fetch cifar10")
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
    own = "--scale workstation-fashion --dataset svhn=fashion-mnist --only svhn"
    options = own if name == "fashion-mnist" else f"--scale workstation --only {name}"
    console.print(f"next: python -m bench run suites/frontiers.yaml {options}", soft_wrap=True)
