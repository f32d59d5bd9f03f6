"""Make the embedded subset from a folder of the official files: python -m bench.data.fashion_mnist_8k FOLDER [OUT]."""

import json
import lzma
import struct
import sys
from pathlib import Path

import numpy as np

from bench.data import idx
from bench.data.dataset_types import DataError
from bench.data.fashion_mnist_8k import FACTS, FOLDER

COUNTS = {"train": 6500, "test": 2000}  # the first images of each official file, in its order


def make(source: Path, out: Path) -> None:
    """Write the first images of each split as .xz files, and facts.json. Raises DataError."""
    files = idx.find_files(source)
    if files is None:
        raise DataError(f"{source} has no {idx.STEMS['train'][0]}: give the folder of the official files")
    splits = {
        split: tuple(array[: COUNTS[split]] for array in arrays) for split, arrays in idx.read_splits(files).items()
    }
    for split, (images, labels) in splits.items():
        for stem, array in zip(idx.STEMS[split], (images[:, 0], labels), strict=True):
            (out / f"{stem}.xz").write_bytes(lzma.compress(encode(array), preset=9 | lzma.PRESET_EXTREME))
    facts = COUNTS | {"fingerprint": idx.fingerprint(splits)}
    (out / FACTS.name).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def encode(array: np.ndarray) -> bytes:
    """Encode a uint8 array as IDX."""
    header = bytes([0, 0, idx.UINT8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


if __name__ == "__main__":
    try:
        make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER)
    except (IndexError, DataError, OSError) as error:
        sys.exit(__doc__ if isinstance(error, IndexError) else str(error))
