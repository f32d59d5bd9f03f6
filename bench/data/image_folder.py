"""Image folder format: `train/<class>/*.png` and `test/<class>/*.png`, or `<class>/*.png` without a test split."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.data.dataset_types import DataError, FilesBySplit

SUFFIXES = {".png", ".jpg", ".jpeg"}
TEST_EVERY = 5  # without a test split, images 0, 5, 10, … of the sorted list form it: every class is represented


def find_files(path: Path) -> FilesBySplit | None:
    """List the image files of `train` and `test`, sorted by class and name. None if `path` is not an image folder.

    Raises DataError if one of the two splits is empty.
    """
    if (path / "train").is_dir():
        files = {split: _list_images(path / split) for split in ("train", "test")}
        if not all(files.values()):
            raise DataError(f"{path} needs images in train/<class>/ and in test/<class>/, as .png or .jpg: add them")
        return files
    images = _list_images(path)
    if not images:
        return None
    return {"train": [image for i, image in enumerate(images) if i % TEST_EVERY], "test": images[::TEST_EVERY]}


def _list_images(path: Path) -> list[Path]:
    # macOS puts hidden files named ._NAME.png beside images, which are not images
    images = (file for file in path.glob("*/*") if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return sorted(images, key=lambda file: (file.parent.name, file.name))


def read_labels(files: FilesBySplit) -> dict[str, np.ndarray]:
    """Labels of each split, int64 (N,): the index of an image's folder among the sorted folder names of both splits."""
    class_names = sorted({file.parent.name for paths in files.values() for file in paths})
    class_index = {name: index for index, name in enumerate(class_names)}
    return {
        split: np.array([class_index[file.parent.name] for file in paths], np.int64) for split, paths in files.items()
    }


def read_encoded_images(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, encoded bytes) of each image."""
    for path in paths:
        yield str(path), path.read_bytes()
