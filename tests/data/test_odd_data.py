"""Odd data sets of every kind are read as meant or refused in one line; a reader that does not is noticed."""

import contextlib
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.data import DataError, image_decoding, local_files, parquet_layout
from tests.torture.data import torture
from tests.torture.odd_case import KINDS


def test_every_kind_of_odd_data_is_read_as_meant_or_refused_in_one_line(tmp_path):
    outcome = torture(0, len(KINDS), tmp_path)
    assert outcome["failures"] == []
    assert outcome["tried"] == outcome["fine"] + outcome["refused"] >= 150
    assert min(outcome["fine"], outcome["refused"]) >= 60


def keep_order(labels):
    return np.arange(len(labels))


def split_last_fifth(labels):
    rows = np.arange(len(labels))
    return rows[: len(rows) * 4 // 5], rows[len(rows) * 4 // 5 :]


@pytest.mark.parametrize(
    ("module", "name", "wrong", "noticed_on"),
    [
        (local_files, "stratified_order", keep_order, ("sorted rows", "IDX sorted")),
        (local_files, "split_off_test", split_last_fifth, ("sorted rows", "descending rows", "grouped rows")),
        (local_files, "account", lambda *_: "", ("hidden file", "pipe", "extra split")),
        (image_decoding, "_min_alpha", lambda _: 255, ("transparent", "transparent palette")),
        (image_decoding, "_has_second_frame", lambda _: False, ("moving GIF", "pages of TIFF")),
        (image_decoding, "_upright", lambda image: image, ("upright by EXIF 6",)),
        (image_decoding, "_first_byte", lambda image: Image.new("L", image.size, 255), ("sixteen bits PNG",)),
        (parquet_layout, "_check_complete", lambda _: None, ("Parquet shards missing first", "Parquet shards twice")),
    ],
)
def test_a_faulty_reader_is_noticed(module, name, wrong, noticed_on, tmp_path, monkeypatch):
    monkeypatch.setattr(module, name, wrong)
    monkeypatch.setattr("tests.torture.data.KINDS", {kind: KINDS[kind] for kind in noticed_on})
    outcome = torture(0, len(noticed_on), tmp_path)
    assert outcome["failed"] == len(noticed_on), outcome


@pytest.fixture(scope="module")
def encoded_images() -> list[bytes]:
    image, files = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)), []
    for image_format in image_decoding.FORMATS:
        buffer = io.BytesIO()
        image.save(buffer, image_format)
        files.append(buffer.getvalue())
    return files


@given(st.data())
def test_any_damage_to_an_image_is_refused_in_one_line_or_gives_an_image(encoded_images, data):
    """No other exception leaves the decoder."""
    encoded = bytearray(data.draw(st.sampled_from(encoded_images)))
    for position in data.draw(st.lists(st.integers(0, len(encoded) - 1), max_size=4)):
        encoded[position] = data.draw(st.integers(0, 255))
    encoded = bytes(encoded[: data.draw(st.integers(0, len(encoded)))]) if data.draw(st.booleans()) else bytes(encoded)
    try:
        image = image_decoding.decode_image("x.png", encoded)
    except DataError as refusal:
        assert str(refusal).startswith("x.png ") and str(refusal).isprintable()
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and len(image) == 3


NAMES = st.sampled_from(
    ["train", "test", "val", "a", "b", ".x", "0.png", "1.png", "x.txt", "train.parquet", "train-images-idx3-ubyte"]
)


@given(paths=st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=12))
def test_any_tree_is_refused_in_one_line_or_each_of_its_files_is_read_or_accounted_for(paths, tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for path in paths:
        with contextlib.suppress(OSError):  # a file where the path wants a folder
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
    try:
        source = local_files.find(str(root))
    except DataError as refusal:
        assert str(refusal).isprintable() and str(root) in str(refusal)
        return
    read = {file for files in source.local.files.values() for file in files}
    hidden = [file for file in root.rglob("*") if file.name == ".x" and ".x" not in file.parent.relative_to(root).parts]
    left = {f for f in root.rglob("*") if f.is_file() and ".x" not in f.relative_to(root).parts} - read
    counted = sum(int(number) for number in re.findall(r"(?:out: |; )([\d,]+) ", source.note))
    assert counted == len(left) + len(hidden)
