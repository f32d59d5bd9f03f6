"""The embedded images of Fashion-MNIST: the stored facts, the official bytes, and how the files are made."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import torch

from bench import ROOT
from bench.data import describe, fashion_mnist_8k, idx, load
from bench.data.fashion_mnist_8k import __main__ as maker
from tests.data.idx_files import official_fashion_mnist, write_idx


def test_the_stored_facts_are_those_of_the_content(tmp_path):
    info = describe("fashion-mnist-8k", tmp_path)
    data = load("fashion-mnist-8k", root=tmp_path, heldout=500)
    assert (info.train, info.test) == (len(data.train.labels) + len(data.heldout.labels), len(data.test.labels))
    assert data.train.images.shape[1:] == data.test.images.shape[1:] == info.shape
    content = hashlib.sha256(b"idx reader 1")
    train = [torch.cat(tensors) for tensors in zip(data.train, data.heldout, strict=True)]
    for split, (images, labels) in (("train", train), ("test", data.test)):
        for tensor in (images, labels.to(torch.uint8)):
            content.update(json.dumps([split, list(tensor.shape)]).encode() + tensor.numpy().tobytes())
    assert info.fingerprint == content.hexdigest()


def test_every_class_has_its_share_of_each_split(tmp_path):
    data = load("fashion-mnist-8k", root=tmp_path, heldout=500, train_images=2500)
    for split in (data.train, data.heldout, data.test):
        shares = torch.bincount(split.labels, minlength=10) / len(split.labels)
        assert ((shares > 0.07) & (shares < 0.13)).all(), shares


def test_a_plan_describes_it_without_numpy():
    code = (
        "import sys; from pathlib import Path; from bench import data; "
        "print(data.describe('fashion-mnist-8k', Path('absent')).train, {'numpy', 'torch'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split() == ["6500", "set()"]


def test_the_files_are_small_and_carry_their_licence():
    files = list(fashion_mnist_8k.FOLDER.glob("*.xz"))
    assert len(files) == 4 and sum(file.stat().st_size for file in files) < 4e6
    assert "MIT" in (fashion_mnist_8k.FOLDER / "LICENSE").read_text()


def test_the_maker_takes_the_first_images_in_their_order(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((9, 4, 4), (9,), (5, 4, 4), (5,))]
    monkeypatch.setattr(maker, "COUNTS", {"train": 6, "test": 3})
    (tmp_path / "out").mkdir()
    maker.make(write_idx(tmp_path / "source", arrays, ".gz"), tmp_path / "out")
    splits = idx.read_splits(idx.find_files(tmp_path / "out"))
    remade = [array for split in splits.values() for array in split]
    expected = (arrays[0][:6, None], arrays[1][:6], arrays[2][:3, None], arrays[3][:3])
    assert all(np.array_equal(x, y) for x, y in zip(remade, expected, strict=True))
    assert json.loads((tmp_path / "out" / "facts.json").read_text()) == {
        "train": 6,
        "test": 3,
        "fingerprint": idx.fingerprint(splits),
    }


def test_the_images_are_the_first_of_the_official_files():
    splits = idx.read_splits(idx.find_files(official_fashion_mnist()))
    for (images, labels), (official, official_labels) in zip(fashion_mnist_8k.read(), splits.values(), strict=True):
        assert torch.equal(images, torch.from_numpy(official[: len(images)].copy()))
        assert labels.tolist() == official_labels[: len(labels)].tolist()
