"""Write random images as Parquet files and image folders."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bench.data import DataError, load


def random_images(count: int, side: int = 8, seed: int = 0) -> np.ndarray:
    """Random images, uint8 (N, 3, side, side)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode RGB pixels, uint8 (3, H, W), as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(path: Path, images, labels, column: str = "image") -> Path:
    """Write a Parquet file of images (arrays, encoded bytes, or None for a null) and return its path."""
    structs = [{"bytes": x if isinstance(x, bytes | None) else encode_png(x), "path": None} for x in images]
    struct_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({column: pa.array(structs, struct_type), "label": pa.array(labels)}), path)
    return path


def write_folder(path: Path, images_by_class: dict[str, np.ndarray]) -> None:
    """Write `<class>/000.png`, `<class>/001.png`, … under `path`."""
    for name, images in images_by_class.items():
        (path / name).mkdir(parents=True)
        for index, image in enumerate(images):
            (path / name / f"{index:03}.png").write_bytes(encode_png(image))


def assert_load_refused(source: Path, root: Path, *fragments: str) -> None:
    """Assert that loading `source` raises a DataError of one line that contains all fragments."""
    with pytest.raises(DataError) as refusal:
        load(str(source), root=root, heldout=1)
    assert all(fragment in str(refusal.value) for fragment in fragments), str(refusal.value)
    assert "\n" not in str(refusal.value)
