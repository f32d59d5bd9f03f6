"""Data that is given by path: which layout it has, its fingerprint, its split, and its decoded images.

Two layouts are read, each by a module with the same three functions `find`, `labels` and `encoded`.
"""

import hashlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np

from bench.data import folder, parquet
from bench.data.cache import cache_folder, cached, replacing
from bench.data.decode import decode, decode_one
from bench.data.words import DataError, Images, Info

READER = 1  # raise it whenever the same files would give other tensors than before; it enters every fingerprint
TEST_SHARE = 5  # of a Parquet file without a test part, the last fifth of the rows is the test part
Files = dict[str, list[Path]]  # the files of the parts `train` and `test`, or of `all`


def describe(source: str, root: Path, names: tuple[str, ...]) -> Info:
    """What is known of the data at this path. Its first call reads all bytes for the fingerprint, later ones none."""
    path, reader, files = _find(source)
    facts = _facts(reader, files, root)
    shape = tuple(facts["shape"])
    augment = "crop-flip" if min(shape[1:]) >= 32 else "none"
    heldout = max(1, min(5000, facts["train"] // 10))
    name = path.stem if path.is_file() else path.name
    if name in names:  # or figures would show it as the official data
        name = f"{name} (own)"
    counts = facts["classes"], facts["train"], facts["test"], heldout
    return Info(name, shape, *counts, augment, facts["fingerprint"])


def read(source: str, root: Path, fingerprint: str) -> tuple[Images, Images]:
    """Training and test part, uint8 (N, 3, H, W) and int64 (N,), decoded by the first process that asks for them."""
    return cached(root, fingerprint, lambda _: _decoded(*_find(source)[1:]))


def _find(source: str) -> tuple[Path, ModuleType, Files]:
    path = Path(source).expanduser().resolve()
    for reader in (parquet, folder):
        files = reader.find(path)
        if files:
            return path, reader, files
    raise DataError(f"{path} holds no data: give a .parquet file, or a folder with train*.parquet or <class>/*.png|jpg")


def _facts(reader: ModuleType, files: Files, root: Path) -> dict:
    """fingerprint, shape, classes, train, test. Remembered in a small file named after the paths, sizes and times."""
    stats = [(part, file, file.stat()) for part, paths in files.items() for file in paths]
    seen = [(part, str(file), stat.st_size, stat.st_mtime_ns) for part, file, stat in stats]
    key = hashlib.sha256(json.dumps([READER, seen]).encode()).hexdigest()
    sidecar = cache_folder(root) / f"{key[:32]}.json"
    try:
        return json.loads(sidecar.read_text())
    except (OSError, ValueError):  # not there yet, or cut short: made anew
        facts = _examine(reader, files)
        with replacing(sidecar) as temporary:
            temporary.write_text(json.dumps(facts))
        return facts


def _examine(reader: ModuleType, files: Files) -> dict:
    first = next(iter(files.values()))
    labels = reader.labels(files)
    classes = _classes(labels, first[0])
    count = {part: len(values) for part, values in labels.items()}
    if "all" in count:
        count = {"train": count["all"] - count["all"] // TEST_SHARE, "test": count["all"] // TEST_SHARE}
    if min(count.values()) == 0:
        raise DataError(f"{first[0]}: too few images for a training and a test part: add some")
    shape = decode_one(*next(reader.encoded(first))).shape
    return {"fingerprint": _fingerprint(reader, files), "shape": shape, "classes": classes, **count}


def _classes(labels: dict[str, np.ndarray], file: Path) -> int:
    """K, if the labels are exactly 0..K-1, all of them in the training part.

    A gap, a start at 1, or folders that are named differently in the test part would be silent extra classes.
    """
    seen = np.unique(np.concatenate(list(labels.values())))
    if len(seen) == 0 or not np.array_equal(seen, np.arange(len(seen))):
        shown = ", ".join(map(str, seen[:12])) + (", …" if len(seen) > 12 else "")
        raise DataError(f"{file}: the labels are {shown or 'absent'}: number the classes 0..K-1 without a gap")
    untrained = np.setdiff1d(seen, next(iter(labels.values())))
    if len(untrained):
        raise DataError(f"{file}: class {untrained[0]} has test images only: add training images, or take it out")
    return len(seen)


def _fingerprint(reader: ModuleType, files: Files) -> str:
    """SHA-256 over part, class folder and bytes of each file in order; where the data lies does not matter."""
    content = hashlib.sha256(f"reader {READER}".encode())
    for part, paths in files.items():
        for path in paths:
            group = path.parent.name if reader is folder else ""
            content.update(json.dumps([part, group, path.stat().st_size]).encode())
            with path.open("rb") as handle:
                content.update(hashlib.file_digest(handle, "sha256").digest())
    return content.hexdigest()


def _decoded(reader: ModuleType, files: Files) -> tuple[Images, Images]:
    labels = reader.labels(files)
    parts = {part: _mixed(decode(reader.encoded(files[part]), len(labels[part])), labels[part]) for part in files}
    if "all" not in parts:
        return parts["train"], parts["test"]
    kept = len(labels["all"]) - len(labels["all"]) // TEST_SHARE
    return parts["all"].slice(0, kept), parts["all"].slice(kept, None)


def _mixed(images: np.ndarray, labels: np.ndarray) -> Images:
    """In file order, or, if that is sorted by class, in the fixed order numpy.random.default_rng(0).permutation(N).

    Sorted, the last images set apart for selection, or the first so many used for a quick test, would be of one class.
    """
    if (np.diff(labels) < 0).any():
        return Images.of(images, labels)
    order = np.random.default_rng(0).permutation(len(labels))
    return Images.of(images[order], labels[order])
