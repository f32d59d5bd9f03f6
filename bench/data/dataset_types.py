"""Types of this package: DataError, Images, Dataset, DatasetInfo.

torch and NumPy are imported only when images are made: a plan describes datasets without either.
"""

from __future__ import annotations

from dataclasses import dataclass
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
