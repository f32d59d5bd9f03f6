"""Encode which test images a network classifies correctly, so that two networks can be compared image by image.

Needs no torch: reports read this too.
"""

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # not needed to count, so that `plan` need not import it
    import numpy as np

COLUMNS = {"clean_hits": "clean_correct", "robust_hits": "robust_correct"}  # the bits of a row, and their sum


def encode(correct) -> str:
    """(n,) bool in the data set's order → base64 text, one bit per image."""
    import numpy as np

    return base64.b64encode(np.packbits(np.asarray(correct, bool))).decode("ascii")


def decode(text: str, n: int) -> "np.ndarray":
    """Base64 text → (n,) bool. Raises ValueError where the text does not hold n images."""
    import numpy as np

    return np.unpackbits(np.frombuffer(packed_bits(text, n), np.uint8), count=n).astype(bool)


def count(text: str, n: int) -> int:
    """The number of correct images. Raises ValueError where the text does not hold n images."""
    return mask(text, n).bit_count()


def mask(text: str, n: int) -> int:
    """The bits as an integer below 2^n, the first image's the highest. Raises ValueError where the text does not hold n
    images."""
    return int.from_bytes(packed_bits(text, n)) >> (-n % 8)


def encode_mask(bits: int, n: int) -> str:
    """The text of a mask of n images, as `encode` has it."""
    return base64.b64encode((bits << (-n % 8)).to_bytes(-(-n // 8))).decode("ascii")


def packed_bits(text: str, n: int) -> bytes:
    try:
        packed = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise ValueError(f"hits are not base64: {error}") from None
    if len(packed) != -(-n // 8):
        raise ValueError(f"hits of {n} images are {-(-n // 8)} bytes, not {len(packed)}")
    return packed


def without(row: dict) -> dict:
    """Drop the bits from a row that is printed or sent to the driver; results.json alone keeps them."""
    return {name: value for name, value in row.items() if name not in COLUMNS}
