"""The dataset registry: describe a dataset without decoding it, or load its train, held-out and test splits."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data import archive_reader, digits, fashion_mnist_8k, official_archives
from bench.data.cache import is_cached
from bench.data.dataset_types import DataError, Dataset, DatasetInfo, Images, split_columns
from bench.data.official_archives import OFFICIAL_DATASETS
from bench.data.pooling import pool_images
from bench.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDED_DATASETS = {"digits": digits, fashion_mnist_8k.NAME: fashion_mnist_8k}  # read without a download
NAMED_DATASETS = (*EMBEDDED_DATASETS, *OFFICIAL_DATASETS)


def describe(source: str, root: Path) -> DatasetInfo:
    """Describe a dataset without decoding it.

    Args:
        source: one of NAMED_DATASETS, or the path of a Parquet file, or of a folder of Parquet, IDX or image files,
            which `with_columns` may have extended.
        root: folder of the official archives. Describing a named dataset reads no file in it. Files at a path are
            hashed once for the fingerprint, which is then stored in `root/cache`.

    Raises DataError.
    """
    if source in EMBEDDED_DATASETS:
        return EMBEDDED_DATASETS[source].describe()
    if source in OFFICIAL_DATASETS:
        return official_archives.describe(source)
    path, _ = split_columns(source)
    if not os.path.lexists(os.path.expanduser(path)):
        message = unknown("data set", path, NAMED_DATASETS)
        raise DataError(f"{message}: give one of these, or the path of Parquet, IDX or image files")
    from bench.data import local_files  # here, because a plan with named datasets needs neither NumPy nor Pillow

    return local_files.describe(source, Path(root), NAMED_DATASETS)


def require_files(source: str, root: Path) -> None:
    """Raise DataError if the archives of an official dataset are missing, or local files cannot be decoded.

    Local files are decoded into the cache, so that a wrong image is found before any trial starts.
    """
    if source in OFFICIAL_DATASETS:
        if not official_archives.is_available(source, Path(root)):
            raise official_archives.missing_error(source, Path(root))
    elif source not in EMBEDDED_DATASETS and not is_cached(
        Path(root), fingerprint := describe(source, root).fingerprint
    ):
        _read(source, Path(root), fingerprint)


def absolute(source: str) -> str:
    """A named dataset as it is; a path from the root, since workers run in other folders."""
    return source if source in NAMED_DATASETS else os.path.abspath(os.path.expanduser(source))


def load(source: str, *, root: Path, heldout: int, train_images: int | None = None, pool: int = 1) -> Dataset:
    """Load a dataset on the CPU: images uint8 (N, C, H, W), labels int64 (N,).

    The split does not depend on any seed, so it is the same in every run.

    Args:
        source, root: as in `describe`.
        heldout: number of images held out for checkpoint selection: the LAST training images, as in the authors'
            code (docs/protocol.md, row 6).
        train_images: number of images to train on: the first of the remaining training images. None: all of them.
        pool: each channel of all three splits is averaged over pool × pool pixels.

    Raises DataError.
    """
    info = describe(source, root)
    train, test = _read(source, Path(root), info.fingerprint)
    remaining = len(train.labels) - heldout
    if remaining < 1:
        raise DataError(
            f"{info.name}: holding out {heldout} of {len(train.labels)} images leaves none to train on: "
            f"hold out at most {len(train.labels) - 1}"
        )
    used = remaining if train_images is None else min(train_images, remaining)
    _check_classes(info, train.labels[:used])
    splits = train.slice(0, used), train.slice(remaining, None), test
    return Dataset(info.name, info.classes, *(Images(pool_images(x, pool), y) for x, y in splits))


def _check_classes(info: DatasetInfo, trained_labels: "Tensor") -> None:
    """Raise DataError if images of local files to train on lack a class: it would be tested without being learned."""
    absent = set(range(info.classes)) - set(trained_labels.unique().tolist()) if info.class_counts else ()
    if absent:
        names = ", ".join(info.class_names[index] for index in sorted(absent)[:5])
        raise DataError(
            f"{info.name}: the {len(trained_labels)} images to train on have none of {len(absent)} classes ({names}): "
            "train on more images, or hold out fewer"
        )


def _read(source: str, root: Path, fingerprint: str) -> tuple[Images, Images]:
    """Training split, held-out images included, and test split."""
    if source in EMBEDDED_DATASETS:
        return EMBEDDED_DATASETS[source].read()
    if source in OFFICIAL_DATASETS:
        return archive_reader.read(source, root)
    from bench.data import local_files

    return local_files.read(source, root, fingerprint)
