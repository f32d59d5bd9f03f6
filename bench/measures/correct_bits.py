"""Encode which test images a network classifies correctly, so that two networks can be compared image by image.

Needs no torch: reports read this too.
"""

import base64

import numpy as np

COLUMNS = {"clean_hits": "clean_correct", "robust_hits": "robust_correct"}  # the bits of a row, and their sum


def encode(correct) -> str:
    """(n,) bool in the data set's order → base64 text, one bit per image."""
    return base64.b64encode(np.packbits(np.asarray(correct, bool))).decode("ascii")


def decode(text: str, n: int) -> np.ndarray:
    """Base64 text → (n,) bool. Raises ValueError where the text does not hold n images."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (ValueError, TypeError) as error:
        raise ValueError(f"hits are not base64: {error}") from None
    if len(packed) != -(-n // 8):
        raise ValueError(f"hits of {n} images are {-(-n // 8)} bytes, not {len(packed)}")
    return np.unpackbits(packed, count=n).astype(bool)


def without(row: dict) -> dict:
    """Drop the bits from a row that is printed or sent to the driver; results.json alone keeps them."""
    return {name: value for name, value in row.items() if name not in COLUMNS}
