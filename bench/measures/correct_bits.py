"""Which test images a network had right, as text: with it two networks can be compared image by image.

Needs no torch, so that a report reads it. A row of results.json without hits is older than they are.
"""

import base64

import numpy as np

COLUMNS = {"clean_hits": "clean_correct", "robust_hits": "robust_correct"}  # in a row; each adds up to its count


def encode(right) -> str:
    """right: (n,) booleans, in the data set's order. A bit per image, eight to a byte, in base64."""
    return base64.b64encode(np.packbits(np.asarray(right, bool))).decode("ascii")


def decode(text: str, n: int) -> np.ndarray:
    """(n,) booleans. Raises ValueError where the text is not of n images."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (ValueError, TypeError) as error:
        raise ValueError(f"hits are no base64: {error}") from None
    if len(packed) != -(-n // 8):
        raise ValueError(f"hits of {n} images are {-(-n // 8)} bytes, not {len(packed)}")
    return np.unpackbits(packed, count=n).astype(bool)


def without(row: dict) -> dict:
    """The row as it is shown and sent: thousands of images are for the file alone."""
    return {name: value for name, value in row.items() if name not in COLUMNS}
