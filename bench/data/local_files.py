"""Datasets in local files: format, fingerprint, splits and decoded images of a path.

Encoded images are read by modules with the functions `find_files`, `read_labels` and `read_encoded_images`; IDX files,
which hold plain pixels, by bench.data.idx.
"""

import hashlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np

from bench.data import idx, image_folder, parquet
from bench.data.cache import cache_folder, cached_images, write_atomically
from bench.data.dataset_types import DataError, DatasetInfo, FilesBySplit, Images
from bench.data.image_decoding import decode_image, decode_images
from bench.data.official_archives import official_name

READER_VERSION = 1  # part of every fingerprint: raise it when the same files would give other tensors than before
TEST_SHARE = 5  # the test split of a single Parquet file is the last 1/TEST_SHARE of its rows


def describe(source: str, root: Path, reserved_names: tuple[str, ...]) -> DatasetInfo:
    """Describe the dataset at a path. The first call reads all bytes for the fingerprint, later calls read none.

    A dataset that has one of `reserved_names` gets the suffix " (own)", so that figures tell it from the official one.
    IDX files with the content of an official dataset are this dataset.
    """
    path, reader, files = _find(source)
    facts = _remembered_facts(reader, files, root)
    shape = tuple(facts["shape"])
    augment = "crop-flip" if min(shape[1:]) >= 32 else "none"
    heldout = max(1, min(5000, facts["train"] // 10))
    name = path.stem if path.is_file() else path.name
    if name in reserved_names:
        name = f"{name} (own)"
    name = official_name(facts["fingerprint"]) or name
    counts = facts["classes"], facts["train"], facts["test"], heldout
    return DatasetInfo(name, shape, *counts, augment, facts["fingerprint"])


def read(source: str, root: Path, fingerprint: str) -> tuple[Images, Images]:
    """Training and test split, uint8 (N, C, H, W) and int64 (N,), decoded by the first process that needs them."""
    return cached_images(root, fingerprint, lambda _: _decode_splits(*_find(source)[1:]))


def _find(source: str) -> tuple[Path, ModuleType, FilesBySplit]:
    """Absolute path, module that reads its format, files. Raises DataError if no format fits."""
    path = Path(source).expanduser().resolve()
    for reader in (parquet, idx, image_folder):
        files = reader.find_files(path)
        if files:
            return path, reader, files
    raise DataError(
        f"{path} holds no data: give a .parquet file, or a folder with train*.parquet, train-images-idx3-ubyte or "
        "<class>/*.png|jpg"
    )


def _remembered_facts(reader: ModuleType, files: FilesBySplit, root: Path) -> dict:
    """Facts as in `_examine`, from a JSON file in the cache whose name is a hash of paths, sizes and times."""
    stats = [(split, file, file.stat()) for split, paths in files.items() for file in paths]
    state = [(split, str(file), stat.st_size, stat.st_mtime_ns) for split, file, stat in stats]
    key = hashlib.sha256(json.dumps([READER_VERSION, state]).encode()).hexdigest()
    facts_file = cache_folder(root) / f"{key[:32]}.json"
    try:
        return json.loads(facts_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # missing or truncated
        facts = _examine(reader, files)
        with write_atomically(facts_file) as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
        return facts


def _examine(reader: ModuleType, files: FilesBySplit) -> dict:
    """Read all files for: fingerprint, shape (C, H, W), classes, and the numbers of train and test images."""
    first_paths = next(iter(files.values()))
    splits = idx.read_splits(files) if reader is idx else None
    labels = {split: y for split, (_, y) in splits.items()} if splits else reader.read_labels(files)
    classes = _count_classes(labels, first_paths[0])
    if "all" in labels:
        train = _train_rows(len(labels["all"]))
        counts = {"train": train, "test": len(labels["all"]) - train}
    else:
        counts = {split: len(split_labels) for split, split_labels in labels.items()}
    if min(counts.values()) == 0:
        raise DataError(f"{first_paths[0]}: too few images for a training and a test split: add images")
    if splits:
        shape, fingerprint = splits["train"][0].shape[1:], idx.fingerprint(splits)
    else:
        shape, fingerprint = (
            decode_image(*next(reader.read_encoded_images(first_paths))).shape,
            _fingerprint(reader, files),
        )
    return {"fingerprint": fingerprint, "shape": shape, "classes": classes, **counts}


def _train_rows(rows: int) -> int:
    """Number of training rows in a single Parquet file; the rest is the test split."""
    return rows - rows // TEST_SHARE


def _count_classes(labels: dict[str, np.ndarray], file: Path) -> int:
    """Number of classes K. Raises DataError unless the labels are 0..K-1 and the training split has every one.

    Otherwise a gap, a start at 1, or folder names that differ between the splits would silently add classes.
    """
    values = np.unique(np.concatenate(list(labels.values())))
    if len(values) == 0 or not np.array_equal(values, np.arange(len(values))):
        listing = ", ".join(map(str, values[:12])) + (", …" if len(values) > 12 else "")
        raise DataError(f"{file}: the labels are {listing or 'absent'}: number the classes 0..K-1 without a gap")
    untrained = np.setdiff1d(values, next(iter(labels.values())))
    if len(untrained):
        raise DataError(f"{file}: class {untrained[0]} has test images only: add training images, or remove the class")
    return len(values)


def _fingerprint(reader: ModuleType, files: FilesBySplit) -> str:
    """SHA-256 over split, class folder and bytes of each file in order, independent of the dataset's location."""
    content = hashlib.sha256(f"reader {READER_VERSION}".encode())
    for split, paths in files.items():
        for path in paths:
            class_name = path.parent.name if reader is image_folder else ""
            content.update(json.dumps([split, class_name, path.stat().st_size]).encode())
            with path.open("rb") as handle:
                content.update(hashlib.file_digest(handle, "sha256").digest())
    return content.hexdigest()


def _decode_splits(reader: ModuleType, files: FilesBySplit) -> tuple[Images, Images]:
    if reader is idx:
        return tuple(_shuffle_if_sorted(*split) for split in idx.read_splits(files).values())
    labels = reader.read_labels(files)
    splits = {}
    for split, paths in files.items():
        images = decode_images(reader.read_encoded_images(paths), len(labels[split]))
        splits[split] = _shuffle_if_sorted(images, labels[split])
    if "all" not in splits:
        return splits["train"], splits["test"]
    train_rows = _train_rows(len(labels["all"]))
    return splits["all"].slice(0, train_rows), splits["all"].slice(train_rows, None)


def _shuffle_if_sorted(images: np.ndarray, labels: np.ndarray) -> Images:
    """Keep the file order unless it is sorted by class; then apply numpy.random.default_rng(0).permutation(N).

    In sorted order, the held-out images (the last ones) or a small training subset (the first ones) would be of one
    class.
    """
    if (np.diff(labels.astype(np.int64)) < 0).any():
        return Images.from_arrays(images, labels)
    order = np.random.default_rng(0).permutation(len(labels))
    return Images.from_arrays(images[order], labels[order])
