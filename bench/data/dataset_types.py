"""Types of this package: DataError, Images, Dataset, DatasetInfo.

torch and NumPy are imported only when images are made: a plan describes datasets without either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

FilesBySplit = dict[
    str, list[Path]
]  # files of the splits "train" and "test", or of "all" if they are still to be split


class DataError(Exception):
    """Missing, wrong or unreadable data. The message is one line and ends with the remedy."""

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Escape what would break a line or a terminal: names of files may hold any character, or bytes that are none."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class Columns(NamedTuple):
    """Columns of a Parquet file; "" stands for the usual names."""

    label: str = ""
    image: str = ""


def with_columns(path: str, columns: Columns) -> str:
    """The path with its columns, `PATH::label=NAME::image=NAME`: one text, so that workers read the same columns."""
    return path + "".join(f"::{field}={name}" for field, name in columns._asdict().items() if name)


def split_columns(source: str) -> tuple[str, Columns]:
    """The path and the columns of a source."""
    path, label, image = re.fullmatch(r"(.*?)(?:::label=(.*?))?(?:::image=(.*?))?", source, re.DOTALL).groups("")
    return path, Columns(label, image)


@dataclass(frozen=True)
class LocalFiles:
    """The files of a dataset given by path, and what was decided about all others."""

    files: FilesBySplit
    labels: dict[str, np.ndarray] | None = None  # of each split, where the names of folders give them
    class_names: tuple[str, ...] = ()
    reasons: dict[Path, str] = field(default_factory=dict)  # file or folder that is not read → why


class Images(NamedTuple):
    """Images and their labels, in the order of use."""

    images: Tensor  # uint8 (N, C, H, W)
    labels: Tensor  # int64 (N,)

    @classmethod
    def from_arrays(cls, images: np.ndarray, labels) -> Images:
        """Convert images, uint8 (N, C, H, W), and labels, an array or list of N integers."""
        import numpy as np
        import torch

        return cls(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(np.asarray(labels, np.int64)))

    def to(self, device: torch.device | str) -> Images:
        return Images(self.images.to(device), self.labels.to(device))

    def slice(self, start: int, stop: int | None) -> Images:
        return Images(self.images[start:stop], self.labels[start:stop])


@dataclass(frozen=True)
class Dataset:
    """The three splits of a dataset: train, held out (for checkpoint selection), and test."""

    name: str
    classes: int
    train: Images
    heldout: Images
    test: Images

    def to(self, device: torch.device | str) -> Dataset:
        """Copy the dataset to a device. As uint8, each dataset of the paper takes less than 0.4 GB."""
        return Dataset(self.name, self.classes, self.train.to(device), self.heldout.to(device), self.test.to(device))


@dataclass(frozen=True)
class DatasetInfo:
    """Facts about a dataset that a plan needs before any image is decoded."""

    name: str
    shape: tuple[int, int, int]  # (C, H, W), before pooling
    classes: int
    train: int  # number of training images, the held-out ones included
    test: int  # number of test images
    heldout: int  # default number of held-out images (docs/protocol.md, row 6)
    augment: str  # default augmentation, "none" or "crop-flip" (docs/protocol.md, row 11)
    fingerprint: str  # 64 hexadecimal digits that change with the images, the labels or their order
    class_counts: tuple[tuple[int, ...], tuple[int, ...]] | None = (
        None  # of local files: images per class of train, test
    )
    class_names: tuple[str, ...] = ()  # of local files: folder names, or the labels
    notes: tuple[str, ...] = ()  # lines on local files: what was left out and why
