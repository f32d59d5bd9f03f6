"""Descriptions without files, train/held-out/test splits, error messages, and the package's imports."""

import ast
import sys
from pathlib import Path

import pytest
import torch

import bench.data
from bench.data import NAMED_DATASETS, DataError, describe, load


def test_named_datasets_are_described_without_any_file(tmp_path):
    absent = tmp_path / "absent"
    infos = {name: describe(name, absent) for name in NAMED_DATASETS}
    assert not absent.exists()
    # heldout and augment: docs/protocol.md, rows 6 and 11
    assert {name: (i.shape, i.train, i.test, i.heldout, i.augment) for name, i in infos.items()} == {
        "digits": ((1, 8, 8), 1347, 450, 200, "none"),
        "fashion-mnist-8k": ((1, 28, 28), 6500, 2000, 500, "none"),
        "cifar10": ((3, 32, 32), 50000, 10000, 5000, "crop-flip"),
        "svhn": ((3, 32, 32), 73257, 26032, 5000, "none"),
        "stl10": ((3, 96, 96), 5000, 8000, 500, "crop-flip"),
        "fashion-mnist": ((1, 28, 28), 60000, 10000, 5000, "none"),
    }
    assert all(info.classes == 10 for info in infos.values())
    assert len({info.fingerprint for info in infos.values()}) == len(NAMED_DATASETS)


def imported(nodes) -> set[str]:
    """The modules that these statements import, with the package `bench.data` shortened to its name."""
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    return {".".join(module.split(".")[: 2 if module.startswith("bench.") else 1]) for module in modules}


def test_modules_import_little_at_the_top_and_nothing_above_this_package():
    """A plan does not wait for heavy imports, and a GPU node needs only the libraries that read data."""
    readers = {"PIL", "numpy", "pyarrow", "safetensors", "sklearn", "torch", "torchvision"}
    download = {"requests", "rich", "urllib3"}
    for file in Path(bench.data.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text())
        own = {"bench.damaged_files", "bench.data", "bench.errors", "bench.human_units"}
        allowed = sys.stdlib_module_names | own | readers
        at_top = own | {"numpy"}
        if file.stem in ("fetch", "download_progress"):  # imported by `data fetch` only
            allowed, at_top = allowed | download, at_top | download
        if file.stem == "augmentation":  # imported by training
            at_top.add("torch")
        assert imported(ast.walk(tree)) <= allowed, file
        assert imported(tree.body) - sys.stdlib_module_names <= at_top, file


def test_held_out_images_are_the_last_and_training_images_the_first(tmp_path):
    whole = load("digits", root=tmp_path, heldout=1)
    cut = load("digits", root=tmp_path, heldout=300, train_images=100)
    assert len(cut.train.labels) == 100
    assert torch.equal(cut.train.images, whole.train.images[:100])
    assert torch.equal(cut.heldout.images[:-1], whole.train.images[-299:])
    assert torch.equal(cut.heldout.images[-1:], whole.heldout.images)
    assert torch.equal(cut.test.images, whole.test.images)
    assert len(load("digits", root=tmp_path, heldout=300, train_images=10**6).train.labels) == 1047


def test_at_least_one_image_must_remain_to_train_on(tmp_path):
    assert len(load("digits", root=tmp_path, heldout=1346).train.labels) == 1
    with pytest.raises(DataError, match="hold out at most 1346"):
        load("digits", root=tmp_path, heldout=1347)


def test_to_moves_every_split(tmp_path):
    moved = load("digits", root=tmp_path, heldout=200).to("meta")
    splits = [moved.train, moved.heldout, moved.test]
    assert {x.device.type for split in splits for x in split} == {"meta"}
    assert (moved.name, moved.classes) == ("digits", 10)


def test_a_misspelt_name_is_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match="did you mean 'cifar10'") as refusal:
        describe("cifar01", tmp_path)
    assert "\n" not in str(refusal.value)
