"""Image classification in folders: `train/<class>/*.png` and `test/<class>/*.png`, or one level of classes only."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.data.words import DataError

ENDINGS = {".png", ".jpg", ".jpeg"}
TEST_EVERY = 5  # without a test part, image 0, 5, 10, … of the sorted list: every class gives its share


def find(path: Path) -> dict[str, list[Path]] | None:
    """The image files of `train` and `test`, sorted by class and name. None if there are no images two levels down."""
    if (path / "train").is_dir():
        parts = {part: _images(path / part) for part in ("train", "test")}
        if not all(parts.values()):
            raise DataError(f"{path} needs images in train/<class>/ and in test/<class>/, as .png or .jpg: add them")
        return parts
    images = _images(path)
    if not images:
        return None
    for_test = images[::TEST_EVERY]
    return {"train": [image for i, image in enumerate(images) if i % TEST_EVERY], "test": for_test}


def _images(path: Path) -> list[Path]:
    # a name that begins with a dot is no image but what some systems leave beside one
    found = (file for file in path.glob("*/*") if file.suffix.lower() in ENDINGS and not file.name.startswith("."))
    return sorted(found, key=lambda file: (file.parent.name, file.name))


def labels(files: dict[str, list[Path]]) -> dict[str, np.ndarray]:
    """The class of each image, int64 (N,): the place of its folder's name among the sorted names of both parts."""
    names = sorted({file.parent.name for paths in files.values() for file in paths})
    place = {name: index for index, name in enumerate(names)}
    return {part: np.array([place[file.parent.name] for file in paths], np.int64) for part, paths in files.items()}


def encoded(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Each file's bytes, with its path."""
    for path in paths:
        yield str(path), path.read_bytes()
