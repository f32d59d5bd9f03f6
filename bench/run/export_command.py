"""The `export-model` verb: write a network as a program of torch.export or ONNX, and its model card."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.errors import BadInput, unknown
from bench.models import onnx_export, torch_export
from bench.models.network import ConditionalNetwork
from bench.run.model_card import model_card
from bench.trained_network import load_network

TOLERANCE = 1e-5  # of logits, relative to the largest where that is above 1
UNSEEN = 0.15  # a λ that no λ set but S3 has


@dataclass(frozen=True)
class Format:
    """suffix: of its files. save: (program, path, recipe as JSON) → file. load: path → (images, lam) → logits. lacking:
    one line about missing packages, or None."""

    suffix: str
    save: Callable[[torch.export.ExportedProgram, Path, str], None]
    load: Callable[[Path], Callable[[Tensor, Tensor], Tensor]]
    lacking: Callable[[], str | None] = lambda: None


FORMATS = {
    "torch-export": Format(".pt2", torch_export.save, torch_export.load),
    "onnx": Format(".onnx", onnx_export.save, onnx_export.load, onnx_export.lacking),
}


def export_network(key: str, format: str, out: Path | None, width: float, runs: Path) -> list[Path]:
    """Write the program and, beside it, the model card; returns both paths.

    Raises BadInput for a network, format or width that cannot be taken, and where the written program's logits are not
    the network's: nothing is then written.
    """
    if format not in FORMATS:
        raise BadInput(f"--format {format}: {unknown('format', format, FORMATS)}")
    suffix = FORMATS[format].suffix
    if lacking := FORMATS[format].lacking():
        raise BadInput(f"--format {format} {lacking}")
    network = load_network(key, runs)
    path = out or Path(f"{network.recipe.key}{suffix}")
    if path.suffix != suffix:
        raise BadInput(f"--out {path}: files of {format} are named {suffix}")
    if None in network.shape:
        raise BadInput(f"{network.recipe.name}: its weights do not say the images' size: run its suite again")
    try:
        network.require_width(width)
    except ValueError as error:
        raise BadInput(str(error)) from None
    net, recipe = network.engine.net, network.recipe
    if recipe.protocol.noise_draw == "each-pass":
        raise BadInput(f"{recipe.name}: its noise is drawn at each pass; export one with noise_draw=stored")
    program = torch_export.export(net, network.shape, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        written = Path(folder) / path.name
        FORMATS[format].save(program, written, recipe.model_dump_json(indent=1))
        difference = largest_difference(FORMATS[format].load(written), net, network.shape, width)
        if not difference <= TOLERANCE:  # NaN too
            raise BadInput(f"{recipe.name}: nothing is written: the program's logits differ by {difference:.1e}")
        os.replace(written, path)
    card = path.with_name(f"{path.name}.md")
    card.write_text(model_card(network, width, path.name, difference), "utf-8")
    return [path, card]


@torch.no_grad()
def largest_difference(program, net: ConditionalNetwork, shape: tuple[int, int, int], width: float) -> float:
    """Of the logits of program and network on random images, at every λ of training, at 0, 1 and one not of training;
    relative to the largest logit where that is above 1."""
    recipe = net.recipe
    lambdas = sorted({0.0, UNSEEN, 1.0, *recipe.lambdas})
    images = torch.rand(len(lambdas), *shape, generator=torch.Generator().manual_seed(0))
    lam, differences = torch.tensor(lambdas), []
    for batch in (slice(None), slice(1, 2)):  # several images of different λ, and one image alone
        expected: Tensor = net(images[batch], net.condition(lam[batch], width=width, training=False))
        difference = (program(images[batch], lam[batch]) - expected).abs().max()
        differences.append(difference / expected.abs().max().clamp(min=1))
    return float(torch.stack(differences).max())
