"""scikit-learn's digits: 1,797 handwritten digits of 8 × 8 pixels that come with the library, so nothing is downloaded.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository (its test part).
"""

import gzip
import hashlib
from array import array
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.data.words import Images, Info

SHAPE, CLASSES = (1, 8, 8), 10
HELDOUT = 200
TEST_EVERY = 4  # image 0, 4, 8, … is for testing: free of a seed, and each class has its share
# 17 grey levels 0..16 stretched over 0..255, so that ε has the same meaning as for any other image
STRETCHED = bytes(round(min(level, 16) * 255 / 16) for level in range(256))


@cache
def describe() -> Info:
    """Counts and content hash of the digits."""
    content, counts = hashlib.sha256(), []
    for pixels, labels in parts():
        content.update(pixels)
        content.update(array("q", labels))  # int64, as tensors hold them
        counts.append(len(labels))
    return Info("digits", SHAPE, CLASSES, *counts, HELDOUT, "none", content.hexdigest())


@cache
def read() -> tuple[Images, Images]:
    """Training part, uint8 (1347, 1, 8, 8), and test part, uint8 (450, 1, 8, 8)."""
    import numpy as np  # here, because a plan describes the digits and reads none

    return tuple(Images.of(np.frombuffer(pixels, np.uint8).reshape(-1, *SHAPE), labels) for pixels, labels in parts())


def parts() -> list[tuple[bytearray, list[int]]]:
    """Of the training and the test part the pixels, a byte each, of all images in a row, and their labels."""
    rows = table()
    train, test = [row for i, row in enumerate(rows) if i % TEST_EVERY], rows[::TEST_EVERY]
    return [
        (bytearray().join(row[:-1].translate(STRETCHED) for row in part), [row[-1] for row in part])
        for part in (train, test)
    ]


def table() -> list[bytes]:
    """scikit-learn's load_digits: 1,797 rows of 64 grey levels 0 to 16 and a label. Its file is read directly, since
    importing the library takes longer than the rest of a plan, and NumPy a part of it."""
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            lines = gzip.decompress(file.read_bytes()).splitlines()
            return [bytes(map(int, line.split(b","))) for line in lines]
    from sklearn.datasets import load_digits  # should the library ever keep it elsewhere

    return [bytes([*map(int, row), label]) for row, label in zip(*load_digits(return_X_y=True), strict=True)]
