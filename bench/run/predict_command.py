"""The `predict` verb: classify image files by a trained network at a chosen λ."""

import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from bench.data import DataError
from bench.errors import BadInput
from bench.trained_network import TrainedNetwork, load_network


def print_predictions(
    key: str, images: list[Path], lam: float | None, width: float, as_json: bool, runs: Path, out: Console
) -> None:
    """Print the class and probability of each image in a line, or as a JSON object.

    Raises BadInput for a network, image, λ or width that cannot be taken.
    """
    network = load_network(key, runs)
    if lam is None and network.recipe.lam is None:
        raise BadInput("choose --lam, λ in [0,1]: 0 for accuracy, 1 for robustness")
    try:
        pixels = np.stack([read_image(path, network) for path in images])
        probabilities = network(pixels, lam, width).softmax(1)
    except (DataError, ValueError) as error:
        raise BadInput(str(error)) from None
    rows = [
        {"image": str(path), "class": int(row.argmax()), "probability": round(float(row.max()), 4)}
        for path, row in zip(images, probabilities, strict=True)
    ]
    if not as_json:
        out.print(Text("class  probability  image", style="dim"))
    for row in rows:
        line = f"{row['class']:5d}  {row['probability']:11.4f}  {row['image']}"
        out.file.write((json.dumps(row) if as_json else line) + "\n")


def read_image(path: Path, network: TrainedNetwork) -> np.ndarray:
    """The image file as the network takes it, uint8 (C, H, W): grey or RGB, and resized to the training images' size by
    averaging pixels. Raises DataError."""
    from PIL import Image

    from bench.data.image_decoding import decode_image

    try:
        rgb = decode_image(str(path), path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give the path of an image file") from error
    channels, height, width = network.shape
    image = Image.fromarray(rgb.transpose(1, 2, 0)).convert("L" if channels == 1 else "RGB")
    if height and image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BOX)
    return np.asarray(image).reshape(*image.size[::-1], channels).transpose(2, 0, 1)
