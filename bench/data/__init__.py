"""Datasets as uint8 tensors: named datasets, local files, download, augmentation.

Modules here import torch only when they make images, so a plan that needs no images starts without torch.
"""

from bench.data.dataset_types import DataError, Dataset, DatasetInfo, Images
from bench.data.datasets import NAMED_DATASETS, describe, load, require_archives

__all__ = [
    "NAMED_DATASETS",
    "DataError",
    "Dataset",
    "DatasetInfo",
    "Images",
    "augment",
    "describe",
    "load",
    "require_archives",
]


def __getattr__(name: str):
    """Import `augment` on first use (PEP 562), since its module imports torch at the top."""
    if name == "augment":
        from bench.data.augmentation import augment

        return augment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
