"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from bench import completion

Suites = Annotated[
    list[Path],
    typer.Argument(
        help="Suite files, e.g. suites/frontiers.yaml", show_default=False, autocompletion=completion.suites
    ),
]
Scale = Annotated[
    str,
    typer.Option(
        help="How big: smoke, laptop, workstation, workstation-fashion, short, paper, or a YAML file.",
        autocompletion=completion.scales,
    ),
]
Only = Annotated[
    list[str],
    typer.Option(
        help="Run only this experiment of the suites; can be repeated.", autocompletion=completion.experiments
    ),
]
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
Address = Annotated[
    str | None, typer.Option(help="Use the running Ray cluster of this machine: auto, or the head's HOST:PORT.")
]
Key = Annotated[
    str,
    typer.Argument(
        help="A network's key, or its first digits, as in the CSV files of figures.", autocompletion=completion.keys
    ),
]
Network = Annotated[
    str,
    typer.Argument(help="A network's key, its first digits, or its directory.", autocompletion=completion.keys),
]
Figures = Annotated[
    list[str],
    typer.Argument(help="Figures to draw, e.g. fig4. (default: all planned ones)", autocompletion=completion.figures),
]
Plans = Annotated[list[str], typer.Option("--plan", help="Only plans whose name in plans/ begins so; may be repeated.")]
Width = Annotated[float, typer.Option(help="Width factor of a slimmable network.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
