"""Datasets as uint8 tensors, and the augmentation of whole batches.

What a plan asks of a data set is known without torch, so nothing here imports it before images are made.
"""

from bench.data.datasets import NAMES, describe, load, require
from bench.data.words import DataError, Dataset, Images, Info

__all__ = ["NAMES", "DataError", "Dataset", "Images", "Info", "augment", "describe", "load", "require"]


def __getattr__(name: str):
    """`augment` when it is first asked for (PEP 562): its file is torch from the first line on."""
    if name == "augment":
        from bench.data.augmentation import augment

        return augment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
