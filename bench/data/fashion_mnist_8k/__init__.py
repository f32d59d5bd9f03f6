"""Fashion-MNIST's first 6,500 training and 2,000 test images, embedded: the data set `fashion-mnist-8k`.

README.md beside this file names source and licence. `python -m bench.data.fashion_mnist_8k FOLDER` makes the files.
"""

import json
from functools import cache
from pathlib import Path

from bench.data.dataset_types import DatasetInfo, Images

NAME = "fashion-mnist-8k"
FOLDER = Path(__file__).parent
FACTS = FOLDER / "facts.json"  # counts and fingerprint, so that a plan decompresses nothing
SHAPE, CLASSES = (1, 28, 28), 10
HELDOUT = 500


@cache
def describe() -> DatasetInfo:
    """Describe the subset from its stored facts."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    return DatasetInfo(NAME, SHAPE, CLASSES, facts["train"], facts["test"], HELDOUT, "none", facts["fingerprint"])


@cache
def read() -> tuple[Images, Images]:
    """Read the training split, uint8 (6500, 1, 28, 28), and the test split, uint8 (2000, 1, 28, 28)."""
    from bench.data import idx  # imported here because a plan describes the subset without NumPy

    return idx.read_images(FOLDER)
