"""Encoded images (PNG, JPEG, …) to one uint8 array, with Pillow."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np

from bench.data.words import DataError


def decode(encoded: Iterator[tuple[str, bytes]], count: int) -> np.ndarray:
    """`count` pairs (where it lies, encoded bytes) to RGB images, uint8 (N, 3, H, W).

    Raises DataError that names the first image which cannot be read or has another size than the first one.
    """
    images = None
    for index, (where, data) in enumerate(encoded):
        image = decode_one(where, data)
        if images is None:
            images = np.empty((count, *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            sizes = [f"{width} × {height}" for _, height, width in (image.shape, images.shape[1:])]
            raise DataError(f"{where} is {sizes[0]} pixels, the first image {sizes[1]}: resize all images to one size")
        images[index] = image
    return images


def decode_one(where: str, data: bytes) -> np.ndarray:
    """One RGB image, uint8 (3, H, W). Raises DataError that says `where`."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as image:
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    # Pillow reports a broken PNG as SyntaxError, a truncated file as OSError, a bad header as ValueError
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{where} is no image that Pillow can read: mend it or take it out") from error
