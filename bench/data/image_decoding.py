"""Decode encoded images (PNG, JPEG, …) into one uint8 array with Pillow."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np

from bench.data.dataset_types import DataError


def decode_images(encoded_images: Iterator[tuple[str, bytes]], count: int) -> np.ndarray:
    """Decode `count` pairs (location, encoded bytes) to RGB images, uint8 (N, 3, H, W).

    Raises DataError, with the location, at the first image that cannot be read or differs in size from the first.
    """
    images = None
    for index, (location, encoded) in enumerate(encoded_images):
        image = decode_image(location, encoded)
        if images is None:
            images = np.empty((count, *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            size, first_size = (f"{width} × {height}" for _, height, width in (image.shape, images.shape[1:]))
            raise DataError(
                f"{location} is {size} pixels, but the first image is {first_size}: resize all images to one size"
            )
        images[index] = image
    return images


def decode_image(location: str, encoded: bytes) -> np.ndarray:
    """Decode one RGB image, uint8 (3, H, W). Raises DataError with the location."""
    from PIL import Image

    try:
        with Image.open(BytesIO(encoded)) as image:
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    # Pillow raises SyntaxError for a broken PNG, OSError for a truncated file, ValueError for a bad header
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{location} is not an image that Pillow can read: repair or remove it") from error
