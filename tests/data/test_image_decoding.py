"""Decoding of grey, palette, JPEG and wrongly sized images."""

import io

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

from bench.data import load
from bench.data.image_decoding import decode_images
from tests.data import split_reference
from tests.data.image_files import assert_load_refused, random_images, write_folder, write_parquet


def test_images_of_different_sizes_are_refused_with_their_location(tmp_path):
    images = [*random_images(9), random_images(1, 9)[0]]
    assert_load_refused(
        write_parquet(tmp_path / "mixed.parquet", images, [0, 1] * 5), tmp_path, "row 9 is 9 × 9", "8 × 8"
    )
    write_folder(tmp_path / "folder", {"a": random_images(5), "b": random_images(5, 7)})
    assert_load_refused(tmp_path / "folder", tmp_path, "/b/000.png is 7 × 7 pixels")
    assert not list((tmp_path / "cache").glob("*.safetensors"))


def test_grey_and_palette_images_become_rgb():
    image, grey, palette = Image.new("L", (2, 3), 7), io.BytesIO(), io.BytesIO()
    image.save(grey, "PNG")
    image.convert("P").save(palette, "PNG")
    images = decode_images(iter([("grey", grey.getvalue()), ("palette", palette.getvalue())]), 2, (3, 3, 2))
    assert images.shape == (2, 3, 3, 2) and (images == 7).all()


def test_real_jpeg_images_decode_as_pillow_does(tmp_path, shared_data):
    table = pq.read_table(shared_data / "cifar10_jpeg" / "test.parquet").slice(0, 400)
    pq.write_table(table, tmp_path / "real.parquet")
    data = load(str(tmp_path / "real.parquet"), root=tmp_path, heldout=20)
    images = torch.cat([data.train.images, data.heldout.images, data.test.images])
    structs, labels = table.column("image").to_pylist(), table.column("label").to_pylist()
    rows = sum(split_reference.split(labels), [])
    for index in (0, 7, 399):
        expected = np.array(Image.open(io.BytesIO(structs[rows[index]]["bytes"])))
        assert np.array_equal(images[index].numpy().transpose(1, 2, 0), expected)
    assert data.classes == 10 and [labels[row] for row in rows[-len(data.test.labels) :]] == data.test.labels.tolist()
