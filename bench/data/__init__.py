"""Datasets as uint8 tensors, and the augmentation of whole batches."""

from bench.data.augmentation import augment
from bench.data.datasets import NAMES, describe, load, require
from bench.data.words import DataError, Dataset, Images, Info

__all__ = ["NAMES", "DataError", "Dataset", "Images", "Info", "augment", "describe", "load", "require"]
