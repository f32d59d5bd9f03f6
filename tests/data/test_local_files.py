"""Datasets given by path: fingerprint, cache, splits, refused formats and labels."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import describe, load, local_files, parquet
from tests.data import split_reference
from tests.data.image_files import assert_load_refused, encode_png, random_images, write_folder, write_parquet


def test_rows_sorted_by_class_are_split_and_ordered_by_a_fixed_rule(tmp_path):
    images, labels = random_images(40), [0] * 20 + [1] * 20
    source = str(write_parquet(tmp_path / "sorted.parquet", images, labels))
    data = load(source, root=tmp_path, heldout=8)
    train, test = split_reference.split(labels)
    loaded = torch.cat([data.train.images, data.heldout.images, data.test.images])
    assert np.array_equal(loaded.numpy(), images[train + test])
    assert data.test.labels.tolist() == [0, 1] * 4
    assert len(data.heldout.labels.unique()) == 2


def test_the_fingerprint_depends_on_the_content_and_not_on_the_location(tmp_path):
    source, root = tmp_path / "pets", tmp_path / "data"
    write_folder(source, {"a": random_images(5), "b": random_images(5, seed=1)})
    first = describe(str(source), root).fingerprint
    shutil.copytree(source, tmp_path / "moved")
    assert describe(str(tmp_path / "moved"), root).fingerprint == first
    (source / "a" / "001.png").write_bytes(encode_png(random_images(1, seed=9)[0]))
    assert describe(str(source), root).fingerprint != first
    (tmp_path / "moved" / "a" / "004.png").rename(tmp_path / "moved" / "b" / "004b.png")
    assert describe(str(tmp_path / "moved"), root).fingerprint != first


def test_files_are_hashed_and_decoded_once(tmp_path, monkeypatch):
    source = str(write_parquet(tmp_path / "few.parquet", random_images(10), [0, 1] * 5))
    info, data = describe(source, tmp_path), load(source, root=tmp_path, heldout=1)

    def fail(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(local_files, "_fingerprint", fail)
    monkeypatch.setattr(local_files, "decode_images", fail)
    monkeypatch.setattr(parquet, "read_labels", fail)
    assert describe(source, tmp_path) == info
    assert torch.equal(load(source, root=tmp_path, heldout=1).train.images, data.train.images)
    os.utime(source, ns=(1, 1))  # another modification time: read again
    with pytest.raises(AssertionError):
        describe(source, tmp_path)


@pytest.mark.parametrize(
    "damage", [b'{"finger', b"", b"{}", b"[]", b"\xff", b'{"train": 8, "test": 2}', "flip", "other"]
)
def test_a_damaged_facts_file_is_written_again(tmp_path, damage):
    source = str(write_parquet(tmp_path / "few.parquet", random_images(10), [0, 1] * 5))
    info = describe(source, tmp_path)
    (facts_file,) = (tmp_path / "cache").glob("*.json")
    if damage == "other":  # a whole file, of another data set
        other = str(write_parquet(tmp_path / "other.parquet", random_images(15), [0, 1, 2] * 5))
        describe(other, tmp_path)
        (damage,) = (path.read_bytes() for path in (tmp_path / "cache").glob("*.json") if path != facts_file)
    elif damage == "flip":
        damage = facts_file.read_bytes().replace(b" 4,", b" 5,")  # images of a class
    assert facts_file.read_bytes() != damage
    facts_file.write_bytes(damage)
    assert describe(source, tmp_path) == info
    assert json.loads(facts_file.read_text())["fingerprint"] == info.fingerprint


@settings(max_examples=25, deadline=None)
@given(labels=st.lists(st.integers(0, 2), min_size=10, max_size=40), heldout=st.integers(1, 5))
def test_every_image_is_in_exactly_one_split(tmp_path_factory, labels, heldout):
    root = tmp_path_factory.mktemp("rows")
    labels = [0, 1, 2, *labels]
    images = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), 3, 1, 1))
    data = load(str(write_parquet(root / "rows.parquet", images, labels)), root=root, heldout=heldout)
    splits = (data.train, data.heldout, data.test)
    rows = torch.cat([split.images[:, 0, 0, 0] for split in splits]).tolist()
    assert sorted(rows) == list(range(len(labels)))
    assert [labels[i] for i in rows] == torch.cat([split.labels for split in splits]).tolist()
    assert len(data.heldout.labels) == heldout and rows == sum(split_reference.split(labels), [])


@pytest.mark.parametrize("labels", [[1, 2] * 5, [0, 2] * 5, [-1, 0] * 5])
def test_labels_must_count_from_zero_without_a_gap(tmp_path, labels):
    assert_load_refused(
        write_parquet(tmp_path / "gap.parquet", random_images(10), labels), tmp_path, "number the classes 0..K-1"
    )


def test_unknown_and_incomplete_formats_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert_load_refused(tmp_path / "empty", tmp_path, "holds no data")
    (tmp_path / "table.csv").write_text("a,b")
    assert_load_refused(tmp_path / "table.csv", tmp_path, "holds no data")
    (tmp_path / "half").mkdir()
    write_parquet(tmp_path / "half" / "train.parquet", random_images(4), [0, 1] * 2)
    assert_load_refused(tmp_path / "half", tmp_path, "no test*.parquet or validation*.parquet")
    write_folder(tmp_path / "lone" / "train", {"a": random_images(5)})
    assert_load_refused(tmp_path / "lone", tmp_path, "in test/<class>/")
    write_folder(tmp_path / "other" / "train", {"a": random_images(5)})
    write_folder(tmp_path / "other" / "test", {"b": random_images(5)})
    assert_load_refused(tmp_path / "other", tmp_path, "no class b, which has test images only")


def test_a_data_folder_that_cannot_be_created_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("a file instead of a folder")
    source = write_parquet(tmp_path / "few.parquet", random_images(10), [0, 1] * 5)
    assert_load_refused(source, tmp_path / "file", "choose a writable data folder")


def test_the_shared_cifar10_folder_is_described(tmp_path, shared_data):
    info = describe(str(shared_data / "cifar10_jpeg"), tmp_path)
    assert (info.name, info.shape, info.classes) == ("cifar10_jpeg", (3, 32, 32), 10)
    assert (info.train, info.test, info.heldout, info.augment) == (50000, 10000, 5000, "crop-flip")
