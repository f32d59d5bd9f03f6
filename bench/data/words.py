"""The words of the data: an error with its remedy, images with labels, a data set, and what is known of it unread.

torch is imported when images are made: what is known of them unread is had without waiting for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor


class DataError(Exception):
    """Data that is absent, wrong or unreadable. The message is one line and ends with the remedy."""


class Images(NamedTuple):
    """Images and their classes, in the order in which they are used."""

    images: Tensor  # uint8 (N, C, H, W)
    labels: Tensor  # int64 (N,)

    @classmethod
    def of(cls, images: np.ndarray, labels) -> Images:
        """From uint8 (N, C, H, W) and N whole numbers in an array or a list."""
        import numpy as np  # both here, so that a plan, which makes no images, starts without them
        import torch

        return cls(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(np.asarray(labels, np.int64)))

    def to(self, device: torch.device | str) -> Images:
        return Images(self.images.to(device), self.labels.to(device))

    def slice(self, start: int, stop: int | None) -> Images:
        return Images(self.images[start:stop], self.labels[start:stop])


@dataclass(frozen=True)
class Dataset:
    """The three parts of a data set: to train on, to select on, to report on."""

    name: str
    classes: int
    train: Images
    heldout: Images
    test: Images

    def to(self, device: torch.device | str) -> Dataset:
        """The same data on a device. As uint8, each data set of the paper takes under 0.4 GB."""
        return Dataset(self.name, self.classes, self.train.to(device), self.heldout.to(device), self.test.to(device))


@dataclass(frozen=True)
class Info:
    """What a plan must know of a data set before anything is decoded."""

    name: str
    shape: tuple[int, int, int]  # (C, H, W)
    classes: int
    train: int  # images before the held-out ones are taken away
    test: int
    heldout: int  # the default of ledger row 6
    augment: str  # the default of ledger row 11: "none" or "crop-flip"
    fingerprint: str  # 64 hexadecimal digits that change whenever the images, labels or their order would
