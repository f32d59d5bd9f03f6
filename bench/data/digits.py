"""scikit-learn's digits: 1,797 handwritten digits of 8 × 8 pixels, contained in the library, so without a download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository (its test set).
"""

import gzip
import hashlib
from array import array
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.data.dataset_types import DatasetInfo, Images

SHAPE, CLASSES = (1, 8, 8), 10
HELDOUT = 200
TEST_EVERY = 4  # images 0, 4, 8, … form the test split: independent of a seed, and every class is represented
# 17 grey levels 0..16 stretched to 0..255, so that ε has the same meaning as for other images
STRETCHED = bytes(round(min(level, 16) * 255 / 16) for level in range(256))


@cache
def describe() -> DatasetInfo:
    """Describe the digits: counts and a hash of their content."""
    content, counts = hashlib.sha256(), []
    for pixels, labels in read_splits():
        content.update(pixels)
        content.update(array("q", labels))  # int64, as in the tensors
        counts.append(len(labels))
    return DatasetInfo("digits", SHAPE, CLASSES, *counts, HELDOUT, "none", content.hexdigest())


@cache
def read() -> tuple[Images, Images]:
    """Read the training split, uint8 (1347, 1, 8, 8), and the test split, uint8 (450, 1, 8, 8)."""
    import numpy as np  # imported here because a plan describes the digits without reading them

    return tuple(
        Images.from_arrays(np.frombuffer(pixels, np.uint8).reshape(-1, *SHAPE), labels)
        for pixels, labels in read_splits()
    )


def read_splits() -> list[tuple[bytearray, list[int]]]:
    """Read the training and the test split as (pixels of all images, one byte each; labels)."""
    rows = read_rows()
    train, test = [row for i, row in enumerate(rows) if i % TEST_EVERY], rows[::TEST_EVERY]
    return [
        (bytearray().join(row[:-1].translate(STRETCHED) for row in split), [row[-1] for row in split])
        for split in (train, test)
    ]


def read_rows() -> list[bytes]:
    """Read the 1,797 rows of scikit-learn's load_digits, each 64 grey levels 0..16 and a label.

    The library's file is read directly because importing scikit-learn takes longer than the rest of a plan.
    """
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            lines = gzip.decompress(file.read_bytes()).splitlines()
            return [bytes(map(int, line.split(b","))) for line in lines]
    from sklearn.datasets import load_digits  # for versions of the library that store the file elsewhere

    return [bytes([*map(int, row), label]) for row, label in zip(*load_digits(return_X_y=True), strict=True)]
