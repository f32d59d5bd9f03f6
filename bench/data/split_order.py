"""Order and splits of local files: every class in every part, by a rule without a seed or a random generator."""

import hashlib
from functools import lru_cache

import numpy as np

TEST_SHARE = 5  # without a test split, 1/TEST_SHARE of each class forms it


def stratified_order(labels: np.ndarray) -> np.ndarray:
    """Indices that order N labels such that every part of the order has about each class's share.

    The images of a class, in the order of `_mixed`, are spread evenly from the first place to the last: the first K
    images are one of each of the K classes, and so are the last, but for classes of one image. A training subset (the
    first images) and the held-out images (the last) of at least K images therefore have every class.
    """
    mixed = _mixed(len(labels))
    by_class = mixed[np.argsort(labels[mixed], kind="stable")]
    return by_class[_spread(labels[by_class])]


def split_off_test(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training and of the test images: 1/TEST_SHARE of each class, but at least one of two images."""
    mixed = _mixed(len(labels))
    by_class = mixed[np.argsort(labels[mixed], kind="stable")]
    rank, count = _rank_in_class(labels[by_class])
    is_test = rank >= count - np.where(count == 1, 0, np.maximum(1, count // TEST_SHARE))
    return by_class[~is_test], by_class[is_test]


@lru_cache  # asked for each of a suite's networks
def absent_classes(class_counts: tuple[int, ...], start: int, stop: int | None) -> tuple[int, ...]:
    """Classes without an image among places start:stop of the stratified order of images with these counts."""
    sorted_labels = np.repeat(np.arange(len(class_counts)), class_counts)
    part = sorted_labels[_spread(sorted_labels)][start:stop]
    return tuple(np.setdiff1d(np.flatnonzero(class_counts), part).tolist())


def _mixed(count: int) -> np.ndarray:
    """A fixed permutation: indices sorted by the SHA-256 of their number, the same in every version of NumPy."""
    return np.array(sorted(range(count), key=lambda i: hashlib.sha256(b"%d" % i).digest()), np.int64)


def _spread(sorted_labels: np.ndarray) -> np.ndarray:
    """Indices that spread each class of sorted labels evenly from the first place to the last."""
    rank, count = _rank_in_class(sorted_labels)
    return np.lexsort((sorted_labels, rank / np.maximum(count - 1, 1)))


def _rank_in_class(sorted_labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of the sorted labels: its number within its class, and the images of this class."""
    _, starts, inverse, counts = np.unique(sorted_labels, return_index=True, return_inverse=True, return_counts=True)
    return np.arange(len(sorted_labels)) - starts[inverse], counts[inverse]
