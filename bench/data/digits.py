"""scikit-learn's digits: 1,797 handwritten digits of 8 × 8 pixels that come with the library, so nothing is downloaded.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository (its test part).
"""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from bench.data.words import Images, Info

CLASSES = 10
HELDOUT = 200
TEST_EVERY = 4  # image 0, 4, 8, … is for testing: free of a seed, and each class has its share


def describe() -> Info:
    """Counts and content hash of the digits."""
    train, test = read()
    content = hashlib.sha256()
    for part in (train, test):
        content.update(part.images.numpy().tobytes())
        content.update(part.labels.numpy().tobytes())
    shape = tuple(train.images.shape[1:])
    return Info("digits", shape, CLASSES, len(train.labels), len(test.labels), HELDOUT, "none", content.hexdigest())


@cache
def read() -> tuple[Images, Images]:
    """Training part, uint8 (1347, 1, 8, 8), and test part, uint8 (450, 1, 8, 8)."""
    pixels, labels = table()
    # 17 grey levels 0..16 stretched over 0..255, so that ε has the same meaning as for any other image
    images = torch.from_numpy(np.rint(pixels * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8))
    labels = torch.from_numpy(labels.astype(np.int64))
    for_test = torch.arange(len(labels)) % TEST_EVERY == 0
    return Images(images[~for_test], labels[~for_test]), Images(images[for_test], labels[for_test])


def table() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's load_digits: (1797, 64) grey levels 0 to 16, and (1797,) labels. Its file is read directly, since
    importing the library takes longer than the rest of a plan."""
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            found = np.loadtxt(file, delimiter=",")
            return found[:, :-1], found[:, -1]
    from sklearn.datasets import load_digits  # should the library ever keep it elsewhere

    return load_digits(return_X_y=True)
