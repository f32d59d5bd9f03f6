"""scikit-learn's digits as tensors."""

import hashlib

import torch

from bench.data import describe, load


def test_digits_equal_scikit_learns(tmp_path):
    from sklearn.datasets import load_digits  # slow to import: not while tests are collected

    data = load("digits", root=tmp_path, heldout=200)
    pixels, labels = load_digits(return_X_y=True)
    test_rows = [i for i in range(len(labels)) if i % 4 == 0]
    assert data.test.labels.tolist() == labels[test_rows].tolist()
    assert torch.equal((data.test.images.double() * 16 / 255).round().flatten(1), torch.tensor(pixels[test_rows]))
    assert (data.test.images.min(), data.test.images.max()) == (0, 255)
    train_images = torch.cat([data.train.images, data.heldout.images])
    train_rows = [i for i in range(len(labels)) if i % 4]
    assert torch.equal((train_images.double() * 16 / 255).round().flatten(1), torch.tensor(pixels[train_rows]))
    assert (len(data.train.labels), len(data.heldout.labels)) == (1147, 200)
    assert data.train.images.dtype == torch.uint8 and data.train.labels.dtype == torch.int64


def test_the_fingerprint_is_the_hash_of_the_tensors(tmp_path):
    """The fingerprint is part of every recipe's key, so it must not depend on how the digits are read."""
    data, content = load("digits", root=tmp_path, heldout=200), hashlib.sha256()
    train = [torch.cat(tensors) for tensors in zip(data.train, data.heldout, strict=True)]
    for tensor in (*train, *data.test):
        content.update(tensor.numpy().tobytes())
    assert describe("digits", tmp_path).fingerprint == content.hexdigest()
