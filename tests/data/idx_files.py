"""Write IDX files by NumPy's own big-endian integers; the official Fashion-MNIST files, where they are present."""

import gzip
import lzma
import os
from pathlib import Path

import numpy as np
import pytest

STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


def encode_idx(array: np.ndarray) -> bytes:
    """Encode a uint8 array as IDX."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


def write_idx(folder: Path, arrays: tuple[np.ndarray, ...], suffix: str = "") -> Path:
    """Write training images and labels, test images and labels, and return the folder."""
    folder.mkdir(exist_ok=True)
    for stem, array in zip(STEMS, arrays, strict=True):
        (folder / f"{stem}{suffix}").write_bytes(COMPRESS[suffix](encode_idx(array)))
    return folder


def random_arrays(train: int = 12, test: int = 6, height: int = 5, width: int = 4) -> tuple[np.ndarray, ...]:
    """Random images and labels 0, 1, 2 of both splits."""
    rng = np.random.default_rng(train)
    images = [rng.integers(0, 256, (count, height, width), dtype=np.uint8) for count in (train, test)]
    labels = [(np.arange(count) % 3).astype(np.uint8) for count in (train, test)]
    return images[0], labels[0], images[1], labels[1]


def official_fashion_mnist() -> Path:
    """The folder of the 70,000 images: $FASHION_MNIST, or that of Debian's package. Skips the test without them."""
    folder = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    if not folder.is_dir():
        pytest.skip(f"no Fashion-MNIST in {folder}: install dataset-fashion-mnist, or set FASHION_MNIST")
    return folder
