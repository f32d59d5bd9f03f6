"""Parquet files in the layout of the Hugging Face hub."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from bench.data import describe, load
from tests.data import split_reference
from tests.data.image_files import assert_load_refused, encode_png, random_images, write_parquet


@pytest.mark.parametrize(("column", "test"), [("image", "test-00000.parquet"), ("img", "validation.parquet")])
def test_a_parquet_folder_is_read_exactly(tmp_path, column, test):
    source, images, labels = tmp_path / "birds", random_images(30, 40), [i * 3 % 5 for i in range(30)]
    source.mkdir()
    write_parquet(source / "train-00000.parquet", images[:12], labels[:12], column)
    write_parquet(source / "train-00001.parquet", images[12:24], labels[12:24], column)
    write_parquet(source / test, images[24:], labels[24:], column)
    info = describe(str(source), tmp_path / "data")
    assert (info.name, info.shape, info.classes, info.train, info.test) == ("birds", (3, 40, 40), 5, 24, 6)
    assert (info.heldout, info.augment, len(info.fingerprint)) == (4, "crop-flip", 64)
    data = load(str(source), root=tmp_path / "data", heldout=info.heldout)
    splits = (data.train, data.heldout, data.test)
    rows = [*split_reference.ordered(labels[:24]), *(24 + row for row in split_reference.ordered(labels[24:]))]
    assert np.array_equal(torch.cat([split.images for split in splits]).numpy(), images[rows])
    assert torch.cat([split.labels for split in splits]).tolist() == [labels[row] for row in rows]
    assert (data.name, data.classes, len(data.train.labels)) == ("birds", 5, 20)


def test_a_fifth_of_each_class_of_a_single_parquet_file_is_the_test_split(tmp_path):
    images, labels = random_images(23), [1, 0] * 11 + [1]
    source = str(write_parquet(tmp_path / "few.parquet", images, labels))
    info = describe(source, tmp_path)
    assert (info.name, info.train, info.test, info.augment) == ("few", 19, 4, "none")
    data = load(source, root=tmp_path, heldout=1)
    train, test = split_reference.split(labels)
    assert np.array_equal(data.test.images.numpy(), images[test]) and data.test.labels.tolist() == [0, 1, 0, 1]
    assert np.array_equal(data.train.images.numpy(), images[train[:18]])


FEW, LABELS = list(random_images(10)), [0, 1] * 5


@pytest.mark.parametrize(
    ("images", "labels", "column", "fragments"),
    [
        (FEW, ["cat"] * 10, "image", ["label (string)", "integers"]),
        (FEW, LABELS, "picture", ["picture", "no `image`: give --image-column picture"]),
        (FEW, [0, None] * 5, "image", ["5 rows without a label"]),
        ([*FEW[:9], None], LABELS, "image", ["row 9 has no image bytes"]),
        ([*FEW[:9], b"not an image"], LABELS, "image", ["row 9 is not an image"]),
        ([*FEW[:9], encode_png(FEW[9])[:60]], LABELS, "image", ["row 9 is not an image"]),
        (FEW[:2], LABELS[:2], "image", ["too few images"]),
        (FEW, [0] * 10, "image", ["all images are of one class"]),
        (FEW, pa.array([2**64 - 1, 0] * 5, pa.uint64()), "image", ["labels beyond 64 bits"]),
        ([], pa.array([], pa.int64()), "image", ["labels are absent"]),
    ],
)
def test_wrong_columns_and_rows_are_refused_by_name(tmp_path, images, labels, column, fragments):
    assert_load_refused(write_parquet(tmp_path / "wrong.parquet", images, labels, column), tmp_path, *fragments)


def test_a_truncated_file_is_refused(tmp_path):
    (tmp_path / "truncated.parquet").write_bytes(b"PAR1 and no more")
    assert_load_refused(tmp_path / "truncated.parquet", tmp_path, "cannot be read as Parquet")
