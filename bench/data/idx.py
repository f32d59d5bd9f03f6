"""IDX format of MNIST and its successors: a file of images and one of labels per split, plain or compressed.

Files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, each
with the suffix "", ".gz" or ".xz". A file is two zero bytes, the type 0x08 (uint8), the number of dimensions, each
dimension as a big-endian 32-bit integer, and the elements.
"""

import gzip
import hashlib
import json
import lzma
import math
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.data.dataset_types import DataError, FilesBySplit, Images, LocalFiles
from bench.data.folder_listing import Folder

READER_VERSION = 1  # part of every fingerprint: raise it when the same files would give other tensors than before
STEMS = {  # split → file of images, file of labels
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
OPENERS: dict[str, Callable] = {"": open, ".gz": gzip.open, ".xz": lzma.open}
UINT8 = 0x08
MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # bytes


def find(root: Folder) -> LocalFiles | None:
    """List [images, labels] of `train` and `test`. None if the folder has no IDX file of training images.

    Raises DataError if one of the four files is missing.
    """
    if not any(file.name.startswith(STEMS["train"][0]) for file in root.files):
        return None
    files = find_files(root.path)
    if files is None:
        return None
    unused = dict.fromkeys(
        (root.path / f"{stem}{suffix}" for stems in STEMS.values() for stem in stems for suffix in OPENERS),
        "of the same name, of which the first of plain, .gz and .xz is read",
    )
    return LocalFiles(files, reasons=unused)


def find_files(path: Path) -> FilesBySplit | None:
    """List the files of a folder as `find`."""
    if _find(path, STEMS["train"][0]) is None:
        return None
    files = {split: [_find(path, stem) for stem in stems] for split, stems in STEMS.items()}
    missing = [
        stem for split, stems in STEMS.items() for stem, file in zip(stems, files[split], strict=True) if not file
    ]
    if missing:
        raise DataError(f"{path} has no {missing[0]}, plain, .gz or .xz: add it")
    return files


def _find(path: Path, stem: str) -> Path | None:
    candidates = (path / f"{stem}{suffix}" for suffix in OPENERS)
    return next((file for file in candidates if file.is_file()), None)


def read_splits(files: FilesBySplit) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read images, uint8 (N, 1, H, W), and labels, uint8 (N,), of each split. Raises DataError."""
    splits = {split: _read_split(*paths) for split, paths in files.items()}
    shapes = {split: images.shape[1:] for split, (images, _) in splits.items()}
    if shapes["train"] != shapes["test"]:
        sizes = {split: f"{width} × {height}" for split, (_, height, width) in shapes.items()}
        raise DataError(
            f"{files['test'][0]} has images of {sizes['test']} pixels, but {files['train'][0].name} of "
            f"{sizes['train']}: give both splits one size"
        )
    return splits


def _read_split(images_file: Path, labels_file: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read_array(images_file, 3), read_array(labels_file, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_file} has {len(images)} images, but {labels_file.name} has {len(labels)} labels: "
            "take both files from one source"
        )
    if min(images.shape[1:]) == 0:
        raise DataError(f"{images_file} has images without pixels: download it again")
    return images[:, None], labels


def read_array(file: Path, dimensions: int) -> np.ndarray:
    """Read one IDX file of uint8 with this number of dimensions. Raises DataError unless its length is as announced."""
    header = 4 + 4 * dimensions
    try:
        with OPENERS[file.suffix if file.suffix in OPENERS else ""](file, "rb") as handle:
            start = handle.read(header)
            if start[:4] != bytes([0, 0, UINT8, dimensions]) or len(start) < header:
                raise DataError(f"{file} is not an IDX file of uint8 with {dimensions} dimensions: download it again")
            shape = struct.unpack(f">{dimensions}I", start[4:])
            expected = math.prod(shape)
            if expected > MEMORY:
                raise DataError(
                    f"{file} announces {expected:,} bytes, more than this machine's memory: download it again"
                )
            content = bytearray(handle.read(expected + 1))  # writable, as torch wants it; no more than announced
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:  # gzip.BadGzipFile is an OSError
        raise DataError(f"{file} cannot be decompressed or read ({error}): download it again") from error
    if len(content) != expected:
        announced, holds = " × ".join(map(str, shape)), "more" if len(content) > expected else len(content)
        raise DataError(f"{file} announces {announced} elements but has {holds}: download it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


def fingerprint(splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """SHA-256 over shape, pixels and labels of each split: the same for plain and for compressed files."""
    content = hashlib.sha256(f"idx reader {READER_VERSION}".encode())
    for split, arrays in splits.items():
        for array in arrays:
            content.update(json.dumps([split, list(array.shape)]).encode())
            content.update(np.ascontiguousarray(array))
    return content.hexdigest()


def read_images(path: Path) -> tuple[Images, Images]:
    """Read the training and the test split of a folder. Raises DataError."""
    files = find_files(path)
    if files is None:
        raise DataError(f"{path} has no {STEMS['train'][0]}, plain, .gz or .xz: add it")
    splits = read_splits(files)
    return Images.from_arrays(*splits["train"]), Images.from_arrays(*splits["test"])
