"""Decode encoded images (PNG, JPEG, …) into one uint8 array with Pillow.

Values keep their meaning: black to white is 0 to 255. Images for which that is not so by a plain rule are refused.
"""

import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from bench.data.dataset_types import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow's readers that start no other program, as that of EPS does
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
}
MAX_SIDE = 1024  # pixels: the networks are for images of 32 to 224, and one of 13,000 × 13,000 is 500 MB
SIXTEEN_BITS = {"I;16", "I;16B", "I;16L", "I;16N"}  # Pillow's modes of grey images; some versions read these as "I"
EIGHT_BITS = {"1", "L", "P", "RGB", "CMYK", "YCbCr", "LA", "La", "PA", "RGBA", "RGBa", "RGBX", "HSV"}
POINTERS = (b"version https://git-lfs", b"/annex/", b"../.git/annex", b".git/annex")


def decode_images(encoded_images: Iterator[tuple[str, bytes]], count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Decode `count` pairs (location, encoded bytes) to RGB images of this shape (3, H, W), uint8 (N, 3, H, W).

    Raises DataError, with the location, at the first image that cannot be read or has another size.
    """
    images = np.empty((count, *shape), np.uint8)
    for index, (location, encoded) in enumerate(encoded_images):
        image = decode_image(location, encoded)
        if image.shape != shape:
            size, first_size = (f"{width} × {height}" for _, height, width in (image.shape, shape))
            raise DataError(
                f"{location} is {size} pixels, but the first image is {first_size}: resize all images to one size"
            )
        images[index] = image
    return images


def decode_image(location: str, encoded: bytes) -> np.ndarray:
    """Decode one RGB image, uint8 (3, H, W). Raises DataError with the location."""
    from PIL import Image

    Image.init()  # registers all of FORMATS; without it, only five of Pillow's readers
    if encoded.startswith(POINTERS):
        raise DataError(f"{location} is a pointer to a file that was not downloaded: run git lfs pull or git annex get")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large or oddly stored images: they are refused below, or decoded well
            with Image.open(BytesIO(encoded), formats=FORMATS) as image:
                return np.asarray(_to_rgb(image, location)).transpose(2, 0, 1)
    except DataError:
        raise
    except Image.DecompressionBombError as error:  # 180 million pixels, refused by Pillow before its size is known here
        raise DataError(f"{location} is too large: resize all images to at most {MAX_SIDE:,} on a side") from error
    except Exception as error:  # Pillow's readers raise a dozen types of error on damaged files
        raise DataError(f"{location} is not an image that Pillow can read: repair or remove it") from error


def _to_rgb(image: "Image", location: str) -> "Image":
    """Convert to RGB, upright. Raises DataError for images too large, in motion, transparent, or of other depth."""
    if max(image.size) > MAX_SIDE:
        size = f"{image.width:,} × {image.height:,} pixels"
        raise DataError(f"{location} is {size}: resize all images to at most {MAX_SIDE:,} on a side")
    if image.format != "MPO" and _has_second_frame(image):  # MPO: JPEG with further pictures of a camera in it
        raise DataError(f"{location} has several frames: save one of them as PNG")
    if image.has_transparency_data and _min_alpha(image) < 255:
        raise DataError(f"{location} is partly transparent: save all images on a background, without transparency")
    if image.mode in SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = _first_byte(image)
    if image.mode not in EIGHT_BITS:
        raise DataError(f"{location} has pixels of type {image.mode}: save it as RGB with 8 bits")
    return _upright(image).convert("RGB")


def _has_second_frame(image: "Image") -> bool:
    if not getattr(image, "is_animated", False):
        return False
    image.seek(0)
    return True


def _min_alpha(image: "Image") -> int:
    """The smallest opacity of an image, 0 to 255; 0 where a colour of a deep grey image stands for transparency."""
    return image.convert("RGBA").getextrema()[3][0] if image.mode in EIGHT_BITS else 0


def _first_byte(image: "Image") -> "Image":
    """A grey image of 16 bits with the higher 8, as Pillow reads colour images of 16 bits."""
    from PIL import Image

    return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))


def _upright(image: "Image") -> "Image":
    """Turn an image as its EXIF orientation says, where there is one that can be read."""
    from PIL.Image import Transpose

    turns = (
        *(None, None, Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM),
        *(Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90),
    )
    try:
        orientation = image.getexif().get(0x0112, 1) if "exif" in image.info else 1
    except Exception:  # damaged EXIF data, of which the pixels are independent
        orientation = 1
    turn = turns[orientation] if orientation in range(2, 9) else None
    return image if turn is None else image.transpose(turn)
