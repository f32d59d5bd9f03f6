"""Datasets as uint8 tensors: named datasets, local files, download, augmentation.

Modules here import torch only when they make images, so a plan that needs no images starts without torch.
"""

from bench.data.dataset_types import Columns, DataError, Dataset, DatasetInfo, Images, split_columns, with_columns
from bench.data.datasets import NAMED_DATASETS, absolute, describe, load, require_files

__all__ = [
    "NAMED_DATASETS",
    "Columns",
    "DataError",
    "Dataset",
    "DatasetInfo",
    "Images",
    "absolute",
    "augment",
    "describe",
    "load",
    "require_files",
    "split_columns",
    "with_columns",
]


def __getattr__(name: str):
    """Import `augment` on first use (PEP 562), since its module imports torch at the top."""
    if name == "augment":
        from bench.data.augmentation import augment

        return augment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
