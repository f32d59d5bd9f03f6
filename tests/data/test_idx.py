"""IDX folders given by path: exact pixels, one identity for plain and compressed files, refused files."""

import gzip

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.data import DataError, describe, idx, load
from tests.data import split_reference
from tests.data.idx_files import COMPRESS, STEMS, encode_idx, official_fashion_mnist, random_arrays, write_idx
from tests.data.image_files import assert_load_refused

FILE_OF_IMAGES, FILE_OF_LABELS = STEMS[:2]


def test_pixels_and_labels_equal_torchvisions(tmp_path):
    from torchvision.datasets.mnist import read_image_file, read_label_file  # slow: not while tests are collected

    source = write_idx(tmp_path / "letters", random_arrays())
    data = load(str(source), root=tmp_path, heldout=3)
    train = [torch.cat(tensors) for tensors in zip(data.train, data.heldout, strict=True)]
    for (images, labels), (file, labels_file) in zip((train, data.test), (STEMS[:2], STEMS[2:]), strict=True):
        expected, expected_labels = read_image_file(str(source / file)), read_label_file(str(source / labels_file))
        order = split_reference.ordered(expected_labels.tolist())
        assert torch.equal(images[:, 0], expected[order]) and torch.equal(labels, expected_labels[order])
    info = describe(str(source), tmp_path)
    assert (info.name, info.shape, info.classes, info.train, info.test) == ("letters", (1, 5, 4), 3, 12, 6)


def test_plain_and_compressed_files_are_one_dataset_and_other_pixels_another(tmp_path):
    arrays = random_arrays()
    folders = [write_idx(tmp_path / f"as{suffix}", arrays, suffix) for suffix in COMPRESS]
    assert len({describe(str(folder), tmp_path).fingerprint for folder in folders}) == 1
    arrays[2][-1, -1, -1] ^= 1
    assert describe(str(write_idx(tmp_path / "other", arrays)), tmp_path).fingerprint not in {
        describe(str(folder), tmp_path).fingerprint for folder in folders
    }


def test_images_sorted_by_class_are_shuffled(tmp_path):
    images, labels, *test = random_arrays()
    data = load(str(write_idx(tmp_path / "sorted", (images, np.sort(labels), *test))), root=tmp_path, heldout=6)
    assert len(data.heldout.labels.unique()) > 1


def test_folders_that_do_not_fit_together_are_refused(tmp_path):
    images, labels, test_images, test_labels = random_arrays()
    few_labels = write_idx(tmp_path / "few", (images, labels[1:], test_images, test_labels))
    assert_load_refused(few_labels, tmp_path, "has 12 images, but", "has 11 labels")
    sizes = write_idx(tmp_path / "sizes", (images, labels, test_images[:, 1:], test_labels))
    assert_load_refused(sizes, tmp_path, "images of 4 × 4 pixels", "of 4 × 5")
    swapped = write_idx(tmp_path / "swapped", (labels, images, test_images, test_labels))
    assert_load_refused(swapped, tmp_path, "not an IDX file of uint8 with 3 dimensions")
    incomplete = write_idx(tmp_path / "incomplete", random_arrays())
    (incomplete / STEMS[3]).unlink()
    assert_load_refused(incomplete, tmp_path, "has no t10k-labels-idx1-ubyte")


def test_a_truncated_or_damaged_compressed_file_is_refused(tmp_path):
    for name, suffix, damage in (
        ("cut", ".gz", lambda content: content[:-9]),
        ("cut-xz", ".xz", lambda content: content[:-9]),
        ("no-gzip", ".gz", lambda content: b"<html>log in here</html>"),
        ("bits", ".gz", lambda content: content[:30] + bytes(b ^ 255 for b in content[30:60]) + content[60:]),
        ("cut-inside", ".gz", lambda content: gzip.compress(gzip.decompress(content)[:-1])),
    ):
        file = write_idx(tmp_path / name, random_arrays(), suffix) / f"{FILE_OF_IMAGES}{suffix}"
        file.write_bytes(damage(file.read_bytes()))
        assert_load_refused(file.parent, tmp_path, str(file), "download it again")


@given(
    header=st.binary(max_size=16) | st.tuples(*[st.integers(0, 3)] * 3).map(lambda n: encode_header(*n)),
    pixels=st.binary(max_size=40),
    suffix=st.sampled_from(list(COMPRESS)),
    compressed=st.booleans(),
)
def test_any_bytes_are_either_refused_in_one_line_or_an_array_of_all_of_them(
    tmp_path_factory, header, pixels, suffix, compressed
):
    """No other exception leaves the reader, and an accepted file has exactly the announced number of elements."""
    content = header + pixels
    file = tmp_path_factory.getbasetemp() / f"any{suffix}"
    file.write_bytes(COMPRESS[suffix](content) if compressed else content)
    try:
        array = idx.read_array(file, 3)
    except DataError as refusal:
        assert "\n" not in str(refusal) and str(file) in str(refusal)
        shape = np.frombuffer(header[4:16], ">u4") if len(header) == 16 else None
        valid = header[:4] == bytes([0, 0, 8, 3]) and shape is not None and shape.astype(object).prod() == len(pixels)
        assert not (valid and (compressed or not suffix))
    else:
        assert encode_idx(array) == content


def encode_header(*shape: int) -> bytes:
    return encode_idx(np.empty((0, 0, 0), np.uint8))[:4] + np.array(shape, ">i4").tobytes()


def test_debians_folder_is_the_official_dataset_as_it_is(tmp_path):
    source = official_fashion_mnist()
    by_path, official = describe(str(source), tmp_path), describe("fashion-mnist", tmp_path)
    assert by_path == official
    data = load(str(source), root=tmp_path, heldout=5000)
    assert (len(data.train.labels), len(data.heldout.labels), len(data.test.labels)) == (55000, 5000, 10000)
    assert torch.bincount(torch.cat([data.train.labels, data.heldout.labels])).tolist() == [6000] * 10


def test_only_idx_files_make_an_idx_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    assert idx.find_files(tmp_path / "empty") is None
    with pytest.raises(DataError, match="has no train-images-idx3-ubyte"):
        idx.read_images(tmp_path / "empty")
