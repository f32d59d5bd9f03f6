"""Image folders whose images are odd: formats, depth, transparency, frames, orientation, size, damage."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.torture.odd_case import Case, kind, kinds, make_images

CLASSES = ("a", "b", "c")


def save_as(suffix: str, mode: str = "RGB", **options):
    """A function that saves pixels (H, W, 3) as such a file, without loss, and returns the pixels to expect."""

    def save(path: Path, pixels: np.ndarray) -> np.ndarray:
        image = Image.fromarray(pixels).convert(mode)
        image.save(path.with_suffix(suffix), **options)
        return np.asarray(image.convert("RGB"))

    return save


save_png = save_as(".png")


def write_split(path: Path, rng, size, save=save_png, classes=CLASSES, count: int = 6) -> list:
    """Write `count` images for each class, and return the labelled images."""
    labelled = []
    for label, name in enumerate(classes):
        (path / name).mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(make_images(rng, count, size)):
            labelled.append((save(path / name / f"{number:03}.x", pixels), label))
    return labelled


def write_folder(path: Path, rng, save=save_png, splits=("train", "test"), size=None, **options) -> Case:
    """Write a folder with two splits, or without splits, that can be read."""
    size = size or tuple(rng.integers(3, 9, 2))
    if not splits:
        return Case(path, train=write_split(path, rng, size, save, **options))
    train, test = (write_split(path / split, rng, size, save, **options) for split in splits)
    return Case(path, train=train, test=test)


@kinds(
    BMP=(save_as(".BMP"),),
    GIF=(save_as(".gif", "L"),),
    WebP=(save_as(".webp", lossless=True),),
    TIFF=(save_as(".tif"),),
    PPM=(save_as(".ppm"),),
    palette=(save_as(".png", "P"),),
    grey=(save_as(".png", "L"),),
    black_and_white=(save_as(".png", "1"),),
    opaque_alpha=(save_as(".png", "RGBA"),),
    opaque_grey_alpha=(save_as(".png", "LA"),),
    compressed_TIFF=(save_as(".tiff", compression="tiff_lzw"),),
)
def formats(folder, rng, save):
    """One class of three is in another format."""
    case = write_folder(folder / "set", rng)
    for split, labelled in (("train", case.train), ("test", case.test)):
        size = labelled[0][0].shape[:2]
        shutil.rmtree(folder / "set" / split / "b")
        labelled[:] = [pair for pair in labelled if pair[1] != 1]
        labelled += [(pixels, 1) for pixels, _ in write_split(folder / "set" / split, rng, size, save, ("b",))]
    return case


@kinds(sixteen_bits_PNG=(".png",), sixteen_bits_TIFF=(".tif",))
def sixteen_bits(folder, rng, suffix):
    def save(path, pixels):
        deep = pixels[:, :, 0].astype(np.uint16) << 8 | pixels[:, :, 1]
        Image.fromarray(deep).save(path.with_suffix(suffix))
        return np.repeat(pixels[:, :, :1], 3, 2)

    return write_folder(folder / "set", rng, save)


@kind("sixteen bits PGM")
def sixteen_bits_pgm(folder, rng):
    def save(path, pixels):
        height, width = pixels.shape[:2]
        content = (pixels[:, :, 0].astype(">u2") * 257).tobytes()
        path.with_suffix(".pgm").write_bytes(b"P5 %d %d 65535\n" % (width, height) + content)
        return np.repeat(pixels[:, :, :1], 3, 2)

    return write_folder(folder / "set", rng, save)


@kinds(floats_TIFF=(np.float32,), integers_of_32_bits_TIFF=(np.int32,))
def deep(folder, rng, dtype):
    case = write_folder(folder / "set", rng)
    shape = case.train[0][0].shape[:2]
    (folder / "set/train/a/000.png").unlink()
    Image.fromarray(np.ones(shape, dtype)).save(folder / "set/train/a/000.tif")
    return Case(case.source, ("train/a/000.tif", "save it"))


@kinds(**{f"upright_by_EXIF_{orientation}": (orientation,) for orientation in range(2, 9)})
def orientation(folder, rng, number):
    turn = (  # EXIF 2.32, table 6: where row 0 and column 0 of the stored image are
        *(lambda x: x[:, ::-1], lambda x: x[::-1, ::-1], lambda x: x[::-1], lambda x: x.transpose(1, 0, 2)),
        *(lambda x: np.rot90(x, -1), lambda x: np.rot90(x, 2).transpose(1, 0, 2), lambda x: np.rot90(x)),
    )[number - 2]

    def save(path, pixels):
        exif = Image.Exif()
        exif[0x0112] = number
        Image.fromarray(pixels).save(path.with_suffix(".png"), exif=exif)
        return turn(pixels)

    return write_folder(folder / "set", rng, save, size=(5, 5))


@kinds(JPEG=("RGB",), CMYK=("CMYK",), damaged_EXIF=("EXIF",))
def lossy(folder, rng, mode):
    def save(path, pixels):
        pixels[:] = pixels[0, 0] // 64 * 64
        exif = Image.Exif()
        exif[0x0112] = 6
        image = Image.fromarray(pixels).convert("CMYK" if mode == "CMYK" else "RGB")
        image.save(path.with_suffix(".JPEG"), "JPEG", quality=95, **({"exif": exif} if mode == "EXIF" else {}))
        if mode == "EXIF":
            content = path.with_suffix(".JPEG").read_bytes()
            path.with_suffix(".JPEG").write_bytes(content[:30] + b"\xff\xff\xff" + content[33:])
        return pixels

    case = write_folder(folder / "set", rng, save, size=(8, 8))
    case.tolerance = 12
    return case


def spoil(folder, rng, content: bytes, *fragments, suffix=".png") -> Case:
    """A folder with one image of such content."""
    case = write_folder(folder / "set", rng)
    file = folder / "set/train/b/002.png"
    file.unlink()
    file.with_suffix(suffix).write_bytes(content)
    return Case(case.source, (f"train/b/002{suffix}", *fragments))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and ends at the start of its pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return header + struct.pack(">I", 1000) + b"IDAT" + zlib.compress(b"\0")


@kinds(
    empty_image=(b"", "repair or remove"),
    text_as_image=(b"<html>log in</html>", "repair or remove"),
    pointer_as_image=(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    truncated_image=(png_header(6, 6), "repair or remove"),
    huge_announced_image=(png_header(60_000, 60_000), "resize all images"),
    image_of_13_000_by_13_000=(png_header(13_000, 13_000), "13,000 × 13,000", "resize"),
)
def spoiled(folder, rng, content, *fragments):
    return spoil(folder, rng, content, *fragments)


@kinds(
    moving_GIF=(".gif", {}),
    moving_PNG=(".png", {}),
    moving_WebP=(".webp", {"lossless": True}),
    pages_of_TIFF=(".tif", {}),
)
def moving(folder, rng, suffix, options):
    frames = [Image.fromarray(pixels) for pixels in make_images(rng, 3, (6, 6))]
    frames[0].save(folder / f"frames{suffix}", save_all=True, append_images=frames[1:], **options)
    return spoil(folder, rng, (folder / f"frames{suffix}").read_bytes(), "several frames", suffix=suffix)


@kinds(transparent=("RGBA",), transparent_grey=("LA",), transparent_palette=("P",), transparent_colour=("RGB",))
def transparent(folder, rng, mode):
    image = Image.fromarray(make_images(rng, 1, (6, 6))[0]).convert(mode)
    options = {"transparency": 0 if mode == "P" else image.getpixel((0, 0))} if mode in ("P", "RGB") else {}
    if mode == "P":
        image.putpixel((0, 0), 0)
    elif mode in ("RGBA", "LA"):
        image.putalpha(200)
    image.save(folder / "image.png", **options)
    return spoil(folder, rng, (folder / "image.png").read_bytes(), "partly transparent", "background")


@kind("transparent sixteen bits")
def transparent_deep(folder, rng):
    Image.fromarray(rng.integers(0, 60_000, (6, 6), dtype=np.uint16)).save(folder / "image.png", transparency=5)
    content = (folder / "image.png").read_bytes()
    return spoil(folder, rng, content, "transparent|repair or remove")


@kind("another size")
def another_size(folder, rng):
    Image.fromarray(make_images(rng, 1, (9, 2))[0]).save(folder / "image.png")
    return spoil(folder, rng, (folder / "image.png").read_bytes(), "2 × 9", "resize")
