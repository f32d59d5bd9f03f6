"""Parquet files in the layout of the Hugging Face hub."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from bench.data import describe, load
from tests.data.image_files import assert_load_refused, encode_png, random_images, write_parquet


@pytest.mark.parametrize(("column", "test"), [("image", "test-00000.parquet"), ("img", "validation.parquet")])
def test_a_parquet_folder_is_read_exactly_and_in_order(tmp_path, column, test):
    source, images, labels = tmp_path / "birds", random_images(30, 40), [i * 3 % 5 for i in range(30)]
    source.mkdir()
    write_parquet(source / "train-00000.parquet", images[:12], labels[:12], column)
    write_parquet(source / "train-00001.parquet", images[12:24], labels[12:24], column)
    write_parquet(source / test, images[24:], labels[24:], column)
    info = describe(str(source), tmp_path / "data")
    assert (info.name, info.shape, info.classes, info.train, info.test) == ("birds", (3, 40, 40), 5, 24, 6)
    assert (info.heldout, info.augment, len(info.fingerprint)) == (2, "crop-flip", 64)
    data = load(str(source), root=tmp_path / "data", heldout=info.heldout)
    splits = (data.train, data.heldout, data.test)
    assert np.array_equal(torch.cat([split.images for split in splits]).numpy(), images)
    assert torch.cat([split.labels for split in splits]).tolist() == labels
    assert (data.name, data.classes, len(data.train.labels)) == ("birds", 5, 22)


def test_the_last_fifth_of_a_single_parquet_file_is_the_test_split(tmp_path):
    images, labels = random_images(23), [1, 0] * 11 + [1]
    source = str(write_parquet(tmp_path / "few.parquet", images, labels))
    info = describe(source, tmp_path)
    assert (info.name, info.train, info.test, info.augment) == ("few", 19, 4, "none")
    data = load(source, root=tmp_path, heldout=1)
    assert np.array_equal(data.test.images.numpy(), images[19:]) and data.test.labels.tolist() == labels[19:]
    assert np.array_equal(data.train.images.numpy(), images[:18])


def test_wrong_columns_and_rows_are_refused_by_name(tmp_path):
    few = random_images(10)
    assert_load_refused(
        write_parquet(tmp_path / "a.parquet", few, ["cat"] * 10), tmp_path, "label (string)", "integers"
    )
    assert_load_refused(
        write_parquet(tmp_path / "b.parquet", few, [0, 1] * 5, "picture"), tmp_path, "picture", "`image` or `img`"
    )
    assert_load_refused(write_parquet(tmp_path / "c.parquet", few, [0, None] * 5), tmp_path, "5 rows without a label")
    assert_load_refused(
        write_parquet(tmp_path / "d.parquet", [*few[:9], None], [0, 1] * 5), tmp_path, "row 9 has no image bytes"
    )
    assert_load_refused(
        write_parquet(tmp_path / "e.parquet", [*few[:9], b"not an image"], [0, 1] * 5),
        tmp_path,
        "row 9 is not an image",
    )
    assert_load_refused(
        write_parquet(tmp_path / "f.parquet", [*few[:9], encode_png(few[9])[:60]], [0, 1] * 5),
        tmp_path,
        "row 9 is not an image",
    )
    assert_load_refused(write_parquet(tmp_path / "g.parquet", few[:4], [0, 1] * 2), tmp_path, "too few images")
    assert_load_refused(
        write_parquet(tmp_path / "h.parquet", [], pa.array([], pa.int64())), tmp_path, "labels are absent"
    )
    (tmp_path / "i.parquet").write_bytes(b"PAR1 and no more")
    assert_load_refused(tmp_path / "i.parquet", tmp_path, "cannot be read as Parquet")
