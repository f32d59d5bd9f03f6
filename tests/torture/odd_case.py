"""An odd data set: what it is, and what reading it must give."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

LabelledImage = tuple[np.ndarray, int]  # RGB pixels, uint8 (H, W, 3), and label


@dataclass
class Case:
    """A source and the right outcome: the refusal's fragments, or the images in it, by split where it has splits."""

    source: Path | str
    refused: tuple[str, ...] = ()  # of the one line; () if the data can be read
    train: list[LabelledImage] = field(default_factory=list)  # all images, where no test split is given
    test: list[LabelledImage] = field(default_factory=list)
    note: str = ""  # a fragment of the line on what was left out
    every_class_everywhere: bool = True
    tolerance: int = 0  # of pixels, for lossy formats: then each image is of one colour


Kind = Callable[[Path, np.random.Generator], Case]
KINDS: dict[str, Kind] = {}


def kind(name: str, *arguments):
    """Register a function of (folder, generator, *arguments) as the kind with this name."""

    def register(build):
        assert name not in KINDS, name
        KINDS[name] = lambda folder, rng: build(folder, rng, *arguments)
        return build

    return register


def kinds(**arguments_by_name: tuple):
    """Register a function under several names, each with its arguments."""

    def register(build):
        for name, arguments in arguments_by_name.items():
            kind(name.replace("_", " "), *arguments)(build)
        return build

    return register


def make_images(rng: np.random.Generator, count: int, size: tuple[int, int] | None = None) -> list[np.ndarray]:
    """Random images of one size, each different from the others."""
    height, width = size or rng.integers(3, 9, 2)
    return list(rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8))
