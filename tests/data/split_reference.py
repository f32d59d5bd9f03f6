"""The rule of the splits of local files, written once more in plain Python."""

import hashlib
from fractions import Fraction


def mixed_by_class(labels: list[int]) -> dict[int, list[int]]:
    """Class → indices of its images, in the order of the SHA-256 of their decimal numbers."""
    indices = sorted(range(len(labels)), key=lambda index: hashlib.sha256(str(index).encode()).hexdigest())
    return {label: [index for index in indices if labels[index] == label] for label in sorted(set(labels))}


def ordered(labels: list[int]) -> list[int]:
    """The order of a split: the images of each class spread evenly over it, from the first place to the last."""
    places = [
        (Fraction(rank, max(len(members) - 1, 1)), label, index)
        for label, members in mixed_by_class(labels).items()
        for rank, index in enumerate(members)
    ]
    return [index for _, _, index in sorted(places)]


def split(labels: list[int]) -> tuple[list[int], list[int]]:
    """(training, test) indices, in order, of images without a test split."""
    parts = [], []
    for members in mixed_by_class(labels).values():
        tested = 0 if len(members) == 1 else max(1, len(members) // 5)
        parts[0].extend(members[: len(members) - tested])
        parts[1].extend(members[len(members) - tested :])
    return tuple([rows[i] for i in ordered([labels[row] for row in rows])] for rows in parts)
