"""Verbs on trained networks: `predict`, `dial`, `attack-from`, `export-model` and `log-models`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import ROOT, completion
from bench.cli_options import Data, Network, Runs, Width
from bench.command_line import PLAIN

app = typer.Typer()


@app.command(epilog="Example: python -m bench predict 0dbc photo.png --lam 0.3")
def predict(
    key: Network,
    images: Annotated[list[Path], typer.Argument(help="Image files; all get the training images' size.")],
    lam: Annotated[
        float | None, typer.Option(help="λ in [0,1]: 0 for accuracy, 1 for robustness. PGD-AT needs none.")
    ] = None,
    width: Width = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object per image and nothing else.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Classify images by a trained network, with the trade-off chosen now."""
    from bench.run.predict_command import print_predictions

    print_predictions(key, images, lam, width, as_json, runs.resolve(), Console(**PLAIN))


@app.command(epilog="Example: python -m bench dial 0dbc photo.png --out dial.png")
def dial(
    key: Network,
    image: Annotated[Path, typer.Argument(help="An image file; it gets the training images' size.")],
    out: Annotated[Path, typer.Option(help="The PNG, SVG or PDF to write.")] = Path("dial.png"),
    label: Annotated[
        int | None, typer.Option(min=0, help="The image's class. (default: the class predicted at λ=0)")
    ] = None,
    width: Width = 1.0,
    runs: Runs = Path("runs"),
) -> None:
    """Draw the probability of each class against λ for one image, clean and attacked by PGD-7 at the recipe's ε."""
    from bench.run.dial_command import draw_dial

    typer.echo(draw_dial(key, image, out, label, width, runs.resolve()))


@app.command("attack-from", epilog="Example: python -m bench attack-from 0dbc adversarial.safetensors --lam 0.3")
def attack_from(
    key: Network,
    file: Annotated[
        Path,
        typer.Argument(
            help="A safetensors file: `images`, the first test images, attacked, and their data_hash (docs/attacks.md)."
        ),
    ],
    lam: Annotated[list[float], typer.Option(help="λ; can be repeated. (default: every λ of the training)")] = [],
    width: Width = 1.0,
    epsilon: Annotated[str, typer.Option(help="Of the attack, e.g. 8/255. (default: the recipe's)")] = "",
    name: Annotated[str, typer.Option(help="Of the attack in reports. (default: the file's)")] = "",
    source: Annotated[str, typer.Option(help="The network's data: a name or path. (default: the recipe's name)")] = "",
    data: Data = ROOT / "data",
    runs: Runs = Path("runs"),
) -> None:
    """Evaluate adversarial examples that were made elsewhere, and store the result as a further attack on the network.

    Reports take the best known RA from all attacks on a network, image by image.
    """
    from bench.run.attack_from_command import GivenAttack, attack_from_file

    given = GivenAttack(file, tuple(lam), width, epsilon, name, source, data)
    for line in attack_from_file(key, given, runs.resolve()):
        typer.echo(line)


@app.command("export-model", epilog="Example: python -m bench export-model 0dbc --format torch-export --out 0dbc.pt2")
def export_model(
    key: Network,
    format: Annotated[
        str, typer.Option(help="torch-export: a .pt2 file of torch.export; onnx: an .onnx file.")
    ] = "torch-export",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; its model card is beside it. (default: KEY.pt2 or KEY.onnx)")
    ] = None,
    width: Width = 1.0,
    runs: Runs = Path("runs"),
) -> None:
    """Export a network as a program of images and λ, checked against the network, with a model card."""
    from bench.run.export_command import export_network

    for path in export_network(key, format, out, width, runs.resolve()):
        typer.echo(path)


@app.command("log-models", epilog="Example: python -m bench log-models 0dbc --runs runs")
def log_models(
    keys: Annotated[
        list[str],
        typer.Argument(help="Networks' keys, or their first digits. (default: all)", autocompletion=completion.keys),
    ] = [],
    runs: Runs = Path("runs"),
) -> None:
    """Add trained networks to MLflow as models that take λ and width at each call (`mlflow models serve`)."""
    from bench.run import log_models_command

    log_models_command.log_models(keys, runs.resolve(), Console(**PLAIN))
