"""Data given by path: Parquet in the hub's layout and image folders, written here, and real images if there are any."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.data import DataError, describe, load, parquet, paths
from bench.data.decode import decode


def png(pixels: np.ndarray) -> bytes:
    """RGB pixels, uint8 (3, H, W), as a PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(out, "PNG")
    return out.getvalue()


def some(count: int, side: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def write_parquet(path: Path, images, labels, column: str = "image", **more) -> Path:
    cells = [{"bytes": x if isinstance(x, bytes | None) else png(x), "path": None} for x in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({column: pa.array(cells, kind), "label": pa.array(labels), **more}), path)
    return path


def write_folder(path: Path, classes: dict[str, np.ndarray]) -> None:
    for name, images in classes.items():
        (path / name).mkdir(parents=True)
        for index, image in enumerate(images):
            (path / name / f"{index:03}.png").write_bytes(png(image))


@pytest.mark.parametrize(("column", "test"), [("image", "test-00000.parquet"), ("img", "validation.parquet")])
def test_a_parquet_folder_comes_out_exact_and_in_order(tmp_path, column, test):
    source, images, labels = tmp_path / "birds", some(30, 40), [i * 3 % 5 for i in range(30)]
    source.mkdir()
    write_parquet(source / "train-00000.parquet", images[:12], labels[:12], column)
    write_parquet(source / "train-00001.parquet", images[12:24], labels[12:24], column)
    write_parquet(source / test, images[24:], labels[24:], column)
    info = describe(str(source), tmp_path / "data")
    assert (info.name, info.shape, info.classes, info.train, info.test) == ("birds", (3, 40, 40), 5, 24, 6)
    assert (info.heldout, info.augment, len(info.fingerprint)) == (2, "crop-flip", 64)
    data = load(str(source), root=tmp_path / "data", heldout=info.heldout)
    parts = (data.train, data.heldout, data.test)
    assert np.array_equal(torch.cat([part.images for part in parts]).numpy(), images)
    assert torch.cat([part.labels for part in parts]).tolist() == labels
    assert (data.name, data.classes, len(data.train.labels)) == ("birds", 5, 22)


def test_of_a_single_parquet_file_the_last_fifth_is_for_testing(tmp_path):
    images, labels = some(23), [1, 0] * 11 + [1]
    source = str(write_parquet(tmp_path / "few.parquet", images, labels))
    info = describe(source, tmp_path)
    assert (info.name, info.train, info.test, info.augment) == ("few", 19, 4, "none")
    data = load(source, root=tmp_path, heldout=1)
    assert np.array_equal(data.test.images.numpy(), images[19:]) and data.test.labels.tolist() == labels[19:]
    assert np.array_equal(data.train.images.numpy(), images[:18])


def test_rows_sorted_by_class_are_mixed_by_a_fixed_permutation(tmp_path):
    images, labels = some(40), [0] * 20 + [1] * 20
    source = str(write_parquet(tmp_path / "sorted.parquet", images, labels))
    data = load(source, root=tmp_path, heldout=8)
    order = np.random.default_rng(0).permutation(40)
    together = torch.cat([data.train.images, data.heldout.images, data.test.images])
    assert np.array_equal(together.numpy(), images[order])
    assert data.test.labels.tolist() == np.array(labels)[order][32:].tolist()
    assert len(data.heldout.labels.unique()) == 2


def test_an_image_folder_with_two_parts(tmp_path):
    source, cats, dogs = tmp_path / "pets", some(6, seed=1), some(9, seed=2)
    write_folder(source / "train", {"dog": dogs[:7], "cat": cats[:4]})
    write_folder(source / "test", {"cat": cats[4:], "dog": dogs[7:]})
    (source / "train" / "cat" / "notes.txt").write_text("no image")
    (source / "train" / "cat" / "._000.png").write_text("no image either")
    info = describe(str(source), tmp_path)
    assert (info.classes, info.train, info.test, info.heldout) == (2, 11, 4, 1)
    data = load(str(source), root=tmp_path, heldout=1)
    expected, order = np.concatenate([cats[:4], dogs[:7]]), np.random.default_rng(0).permutation(11)
    assert np.array_equal(torch.cat([data.train.images, data.heldout.images]).numpy(), expected[order])
    assert torch.cat([data.train.labels, data.heldout.labels]).tolist() == np.array([0] * 4 + [1] * 7)[order].tolist()
    assert sorted(data.test.labels.tolist()) == [0, 0, 1, 1]


def test_of_an_image_folder_with_one_level_every_fifth_is_for_testing(tmp_path):
    images = some(20, seed=3)
    write_folder(tmp_path / "flat", {"a": images[:10], "b": images[10:]})
    data = load(str(tmp_path / "flat"), root=tmp_path, heldout=2)
    order = np.random.default_rng(0).permutation(4)
    assert np.array_equal(data.test.images.numpy(), images[::5][order])
    assert data.test.labels.tolist() == np.array([0, 0, 1, 1])[order].tolist()
    assert len(data.train.labels) == 14


def test_the_fingerprint_follows_the_content_not_the_place(tmp_path):
    source, root = tmp_path / "pets", tmp_path / "data"
    write_folder(source, {"a": some(5), "b": some(5, seed=1)})
    first = describe(str(source), root).fingerprint
    shutil.copytree(source, tmp_path / "moved")
    assert describe(str(tmp_path / "moved"), root).fingerprint == first
    (source / "a" / "001.png").write_bytes(png(some(1, seed=9)[0]))
    assert describe(str(source), root).fingerprint != first
    (tmp_path / "moved" / "a" / "004.png").rename(tmp_path / "moved" / "b" / "004b.png")
    assert describe(str(tmp_path / "moved"), root).fingerprint != first


def test_nothing_is_read_or_decoded_twice(tmp_path, monkeypatch):
    source = str(write_parquet(tmp_path / "few.parquet", some(10), [0, 1] * 5))
    info, data = describe(source, tmp_path), load(source, root=tmp_path, heldout=1)

    def never(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(paths, "_fingerprint", never)
    monkeypatch.setattr(paths, "decode", never)
    monkeypatch.setattr(parquet, "labels", never)
    assert describe(source, tmp_path) == info
    assert torch.equal(load(source, root=tmp_path, heldout=1).train.images, data.train.images)
    os.utime(source, ns=(1, 1))  # touched: looked at again
    with pytest.raises(AssertionError):
        describe(source, tmp_path)


def test_a_damaged_sidecar_is_made_anew(tmp_path):
    source = str(write_parquet(tmp_path / "few.parquet", some(10), [0, 1] * 5))
    info = describe(source, tmp_path)
    (sidecar,) = (tmp_path / "cache").glob("*.json")
    sidecar.write_text('{"finger')
    assert describe(source, tmp_path) == info
    assert json.loads(sidecar.read_text())["fingerprint"] == info.fingerprint


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(st.integers(0, 2), min_size=10, max_size=40), heldout=st.integers(1, 5))
def test_every_image_is_in_exactly_one_part(tmp_path_factory, labels, heldout):
    root = tmp_path_factory.mktemp("rows")
    labels = [0, 1, 2, *labels]
    images = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), 3, 1, 1))
    data = load(str(write_parquet(root / "rows.parquet", images, labels)), root=root, heldout=heldout)
    parts = (data.train, data.heldout, data.test)
    seen = torch.cat([part.images[:, 0, 0, 0] for part in parts]).tolist()
    assert sorted(seen) == list(range(len(labels)))
    assert [labels[i] for i in seen] == torch.cat([part.labels for part in parts]).tolist()
    assert len(data.heldout.labels) == heldout and len(data.test.labels) == len(labels) // 5


def refused(source, root, *words: str) -> None:
    with pytest.raises(DataError) as refusal:
        load(str(source), root=root, heldout=1)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_images_of_several_sizes_are_refused_with_their_row(tmp_path):
    images = [*some(9), some(1, 9)[0]]
    refused(write_parquet(tmp_path / "mixed.parquet", images, [0, 1] * 5), tmp_path, "row 9 is 9 × 9", "8 × 8")
    write_folder(tmp_path / "folder", {"a": some(5), "b": some(5, 7)})
    refused(tmp_path / "folder", tmp_path, "/b/001.png is 7 × 7 pixels")
    assert not list((tmp_path / "cache").glob("*.safetensors"))


@pytest.mark.parametrize("labels", [[1, 2] * 5, [0, 2] * 5, [-1, 0] * 5])
def test_labels_must_count_from_zero_without_a_gap(tmp_path, labels):
    refused(write_parquet(tmp_path / "gap.parquet", some(10), labels), tmp_path, "number the classes 0..K-1")


def test_bad_columns_and_cells_are_named(tmp_path):
    few = some(10)
    refused(write_parquet(tmp_path / "a.parquet", few, ["cat"] * 10), tmp_path, "label (string)", "integers")
    refused(write_parquet(tmp_path / "b.parquet", few, [0, 1] * 5, "picture"), tmp_path, "picture", "`image` or `img`")
    refused(write_parquet(tmp_path / "c.parquet", few, [0, None] * 5), tmp_path, "5 rows without a label")
    refused(write_parquet(tmp_path / "d.parquet", [*few[:9], None], [0, 1] * 5), tmp_path, "row 9 has no image bytes")
    refused(write_parquet(tmp_path / "e.parquet", [*few[:9], b"no image"], [0, 1] * 5), tmp_path, "row 9 is no image")
    refused(write_parquet(tmp_path / "f.parquet", [*few[:9], png(few[9])[:60]], [0, 1] * 5), tmp_path, "row 9 is no")
    refused(write_parquet(tmp_path / "g.parquet", few[:4], [0, 1] * 2), tmp_path, "too few images")
    refused(write_parquet(tmp_path / "h.parquet", [], pa.array([], pa.int64())), tmp_path, "labels are absent")
    (tmp_path / "i.parquet").write_bytes(b"PAR1 and no more")
    refused(tmp_path / "i.parquet", tmp_path, "cannot be read as Parquet")


def test_layouts_that_fit_nothing_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path, "holds no data")
    (tmp_path / "table.csv").write_text("a,b")
    refused(tmp_path / "table.csv", tmp_path, "holds no data")
    (tmp_path / "half").mkdir()
    write_parquet(tmp_path / "half" / "train.parquet", some(4), [0, 1] * 2)
    refused(tmp_path / "half", tmp_path, "no test*.parquet or validation*.parquet")
    write_folder(tmp_path / "lone" / "train", {"a": some(5)})
    refused(tmp_path / "lone", tmp_path, "in test/<class>/")
    write_folder(tmp_path / "other" / "train", {"a": some(5)})
    write_folder(tmp_path / "other" / "test", {"b": some(5)})
    refused(tmp_path / "other", tmp_path, "class 1 has test images only")


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    source = write_parquet(tmp_path / "few.parquet", some(10), [0, 1] * 5)
    refused(source, tmp_path / "file", "choose a data folder that can be written")


def test_grey_and_palette_images_become_rgb():
    grey, out = Image.new("L", (2, 3), 7), io.BytesIO()
    grey.save(out, "PNG")
    palette = io.BytesIO()
    grey.convert("P").save(palette, "PNG")
    images = decode(iter([("grey", out.getvalue()), ("palette", palette.getvalue())]), 2)
    assert images.shape == (2, 3, 3, 2) and (images == 7).all()


def test_real_jpeg_images_decode_as_pillow_does(tmp_path, shared_data):
    table = pq.read_table(shared_data / "cifar10_jpeg" / "test.parquet").slice(0, 400)
    pq.write_table(table, tmp_path / "real.parquet")
    data = load(str(tmp_path / "real.parquet"), root=tmp_path, heldout=20)
    images = torch.cat([data.train.images, data.heldout.images, data.test.images])
    cells = table.column("image").to_pylist()
    for index in (0, 7, 399):
        expected = np.array(Image.open(io.BytesIO(cells[index]["bytes"])))
        assert np.array_equal(images[index].numpy().transpose(1, 2, 0), expected)
    assert data.classes == 10 and table.column("label").to_pylist()[320:] == data.test.labels.tolist()


def test_the_shared_folder_is_described_whole(tmp_path, shared_data):
    info = describe(str(shared_data / "cifar10_jpeg"), tmp_path)
    assert (info.name, info.shape, info.classes) == ("cifar10_jpeg", (3, 32, 32), 10)
    assert (info.train, info.test, info.heldout, info.augment) == (50000, 10000, 5000, "crop-flip")
