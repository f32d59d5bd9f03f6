"""Datasets in local files: format, fingerprint, splits and decoded images of a path."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from bench.damaged_files import Damaged, read_sealed, set_aside, write_sealed
from bench.data import idx, image_folder, parquet, parquet_layout
from bench.data.cache import cache_folder, cached_images
from bench.data.dataset_types import Columns, DataError, DatasetInfo, Images, LocalFiles, split_columns
from bench.data.folder_listing import Folder, account
from bench.data.idx import MEMORY
from bench.data.image_decoding import decode_image, decode_images
from bench.data.official_archives import official_name
from bench.data.split_order import split_off_test, stratified_order

READER_VERSION = 2  # part of every fingerprint: raise it when the same files would give other tensors than before


class Source(NamedTuple):
    """What is at a path: its absolute path, the module that reads its format, its files, and a note on other files."""

    path: Path
    reader: ModuleType
    local: LocalFiles
    columns: Columns
    note: str

    def read_encoded_images(self, files: list[Path]) -> Iterator[tuple[str, bytes]]:
        more = (self.columns,) if self.reader is parquet else ()
        return self.reader.read_encoded_images(files, *more)

    def read_labels(self) -> dict[str, np.ndarray]:
        """Labels of each split, int64 (N,). Not for IDX files."""
        if self.local.labels is not None:
            return self.local.labels
        return {split: parquet.read_labels(files, self.columns) for split, files in self.local.files.items()}


def describe(source: str, root: Path, reserved_names: tuple[str, ...]) -> DatasetInfo:
    """Describe the dataset at a path. The first call reads all bytes for the fingerprint, later calls read none.

    A dataset that has one of `reserved_names` gets the suffix " (own)", so that figures tell it from the official one.
    IDX files with the content of an official dataset are this dataset.
    """
    data = find(source)
    facts = _remembered_facts(data, root)
    shape, (train, test) = tuple(facts["shape"]), (tuple(counts) for counts in facts["class_counts"])
    _check_memory(data.path, shape, sum(train) + sum(test))
    augment = "crop-flip" if min(shape[1:]) >= 32 else "none"
    name = data.path.stem if data.path.is_file() else data.path.name
    if name in reserved_names:
        name = f"{name} (own)"
    official = official_name(facts["fingerprint"])
    classes = data.local.class_names or tuple(map(str, range(len(train))))
    notes = tuple(filter(None, (data.note, _note_untested(data, test, classes))))
    return DatasetInfo(
        name=official or name,
        shape=shape,
        classes=len(train),
        train=sum(train),
        test=sum(test),
        heldout=_default_heldout(sum(train), len(train), bool(official)),
        augment=augment,
        fingerprint=facts["fingerprint"],
        class_counts=None if official else (train, test),
        class_names=classes,
        notes=() if official else notes,
    )


def read(source: str, root: Path, fingerprint: str) -> tuple[Images, Images]:
    """Training and test split, uint8 (N, C, H, W) and int64 (N,), decoded by the first process that needs them."""
    return cached_images(root, fingerprint, lambda _: _decode_splits(find(source)))


def find(source: str) -> Source:
    """What is at a path. Raises DataError if no format fits."""
    text, columns = split_columns(source)
    try:
        path = Path(text).expanduser().resolve()
        is_file = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a link to itself, an unknown user, a NUL, a name too long
        raise DataError(f"{text} is no path of data ({error}): give the path of Parquet, IDX or image files") from error
    if is_file and path.suffix.lower() == ".parquet":
        return Source(path, parquet, LocalFiles({"all": [path]}), columns, "")
    if path.is_dir():
        root = Folder(path)
        finders = {
            parquet: partial(parquet_layout.find, columns=columns),
            idx: idx.find,
            image_folder: image_folder.find,
        }
        for reader, find in finders.items():
            if local := find(root):
                if any(columns) and reader is not parquet:
                    raise DataError(f"{path} has no Parquet files: leave --label-column and --image-column out")
                read_files = {file for files in local.files.values() for file in files}
                return Source(path, reader, local, columns, account(root, read_files, local.reasons))
        if names := parquet_layout.names_of_parquet_files(root):
            listing, remedy = ", ".join(names[:3]), "name them train*.parquet and test*.parquet, or give a single one"
            raise DataError(f"{path} has Parquet files without the name of a split ({listing}): {remedy}")
        raise DataError(
            f"{path} holds no data: give a .parquet file, or a folder with train*.parquet, train-images-idx3-ubyte or "
            "<class>/*.png|jpg"
        )
    raise DataError(f"{text} holds no data: give a .parquet file, or a folder of Parquet, IDX or image files")


def _remembered_facts(data: Source, root: Path) -> dict:
    """Facts as in `_examine`, from a JSON file in the cache whose name is a hash of paths, sizes, times and columns."""
    stats = [(split, file, file.stat()) for split, files in data.local.files.items() for file in files]
    state = [(split, str(file), stat.st_size, stat.st_mtime_ns) for split, file, stat in stats]
    key = hashlib.sha256(json.dumps([READER_VERSION, data.columns, state]).encode()).hexdigest()
    facts_file = cache_folder(root) / f"{key[:32]}.json"
    try:
        facts = read_sealed(facts_file)
        if facts is not None and facts.get("files") == key:
            return facts
    except Damaged as damage:
        set_aside(damage.path)
    facts = _examine(data) | {"files": key}
    try:
        write_sealed(facts_file, facts)
    except OSError as error:
        raise DataError(f"cannot write {facts_file} ({error.strerror}): free some space") from error
    return facts


def _examine(data: Source) -> dict:
    """Read all files for: fingerprint, shape (C, H, W), and the numbers of training and of test images per class."""
    if data.reader is idx:
        splits = idx.read_splits(data.local.files)
        labels = {split: y.astype(np.int64) for split, (_, y) in splits.items()}
        shape, fingerprint = splits["train"][0].shape[1:], idx.fingerprint(splits)
        if not official_name(fingerprint):  # whose images stay in the order of the archive
            fingerprint = hashlib.sha256(f"reader {READER_VERSION} {fingerprint}".encode()).hexdigest()
        _count_classes(labels, data)
    else:
        labels = data.read_labels()
        _count_classes(labels, data)
        first_files = next(iter(data.local.files.values()))
        shape = decode_image(*next(data.read_encoded_images(first_files))).shape
        fingerprint = _fingerprint(data, labels)
    train, test = _split_labels(labels)
    if min(len(train), len(test)) == 0:
        raise DataError(f"{data.path}: too few images for a training and a test split: add images")
    classes = int(max(train.max(), test.max())) + 1
    counts = [np.bincount(split, minlength=classes).tolist() for split in (train, test)]
    return {"fingerprint": fingerprint, "shape": shape, "class_counts": counts}


def _split_labels(labels: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    if "all" not in labels:
        return labels["train"], labels["test"]
    return tuple(labels["all"][rows] for rows in split_off_test(labels["all"]))


def _count_classes(labels: dict[str, np.ndarray], data: Source) -> int:
    """Number of classes K ≥ 2. Raises DataError unless the labels are 0..K-1 and the training split has every one.

    Otherwise a gap, a start at 1, or folder names that differ between the splits would silently add classes.
    """
    file = next(iter(data.local.files.values()))[0] if data.reader is not image_folder else data.path
    values = np.unique(np.concatenate(list(labels.values())))
    if len(values) == 0 or not np.array_equal(values, np.arange(len(values))):
        listing = ", ".join(map(str, values[:12])) + (", …" if len(values) > 12 else "")
        raise DataError(f"{file}: the labels are {listing or 'absent'}: number the classes 0..K-1 without a gap")
    if len(values) == 1:
        raise DataError(f"{file}: all images are of one class: add another class")
    untrained = np.setdiff1d(values, next(iter(labels.values())))
    if len(untrained):
        raise DataError(f"{file}: class {untrained[0]} has test images only: add training images, or remove the class")
    return len(values)


def _fingerprint(data: Source, labels: dict[str, np.ndarray]) -> str:
    """SHA-256 over split, labels and bytes of each file in order, independent of the dataset's location."""
    content = hashlib.sha256(json.dumps(["reader", READER_VERSION, data.columns.image]).encode())
    for split, files in data.local.files.items():
        content.update(json.dumps([split, len(files)]).encode())
        content.update(labels[split].astype("<i8").tobytes())
        for path in files:
            try:
                with path.open("rb") as handle:
                    content.update(hashlib.file_digest(handle, "sha256").digest())
            except OSError as error:
                raise DataError(f"{path} cannot be read ({error.strerror}): give read access, or remove it") from error
    return content.hexdigest()


def _default_heldout(train: int, classes: int, official: bool) -> int:
    """A tenth of the training images, up to 5,000; an image of each class where that is at most a fifth."""
    tenth = max(1, min(5000, train // 10))
    return tenth if official else max(1, tenth, min(classes, train // 5))


def _check_memory(path: Path, shape: tuple[int, ...], images: int) -> None:
    """Raise DataError if the decoded images, which are held twice for a moment, are more than this machine's memory."""
    needed = 2 * images * int(np.prod(shape))
    if needed > MEMORY:
        size, has = f"{images:,} images of {shape[2]} × {shape[1]} pixels", f"{MEMORY / 2**30:,.0f}"
        raise DataError(
            f"{path}: {size} need {needed / 2**30:,.0f} GiB to load, and this machine has {has}: resize or take fewer"
        )


def _note_untested(data: Source, counts: tuple[int, ...], class_names: tuple[str, ...]) -> str:
    untested = [name for name, count in zip(class_names, counts, strict=True) if count == 0]
    if not untested:
        return ""
    reason = "as there are too few" if "all" in data.local.files else "as the files have none"
    names = ", ".join(untested[:5]) + (", …" if len(untested) > 5 else "")
    return f"{data.path}: no test image of {len(untested)} of {len(counts)} classes ({names}), {reason}"


def _decode_splits(data: Source) -> tuple[Images, Images]:
    if data.reader is idx:
        splits = idx.read_splits(data.local.files)
        if official_name(idx.fingerprint(splits)):
            return tuple(Images.from_arrays(*split) for split in splits.values())
    else:
        labels, shape = data.read_labels(), None
        splits = {}
        for split, files in data.local.files.items():
            shape = shape or decode_image(*next(data.read_encoded_images(files))).shape
            images = decode_images(data.read_encoded_images(files), len(labels[split]), shape)
            splits[split] = images, labels[split]
    if "all" in splits:
        images, labels = splits["all"]
        splits = {
            rows_of: (images[rows], labels[rows])
            for rows_of, rows in zip(("train", "test"), split_off_test(labels), strict=True)
        }
    return tuple(_ordered(*split) for split in splits.values())


def _ordered(images: np.ndarray, labels: np.ndarray) -> Images:
    order = stratified_order(labels)
    return Images.from_arrays(images[order], labels[order])
