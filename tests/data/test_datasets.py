"""What every data set has in common: what is known without files, the split, and the digits that need none."""

import ast
import hashlib
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

import bench.data
from bench.data import NAMES, DataError, describe, load


def test_official_sets_are_described_without_any_file(tmp_path):
    absent = tmp_path / "absent"
    known = {name: describe(name, absent) for name in NAMES}
    assert not absent.exists()
    assert [known[name].shape for name in NAMES] == [(1, 8, 8), (3, 32, 32), (3, 32, 32), (3, 96, 96)]
    assert [(known[name].train, known[name].test) for name in NAMES] == [
        (1347, 450),
        (50000, 10000),
        (73257, 26032),
        (5000, 8000),
    ]
    assert [known[name].heldout for name in NAMES] == [200, 5000, 5000, 500]  # ledger row 6
    assert [known[name].augment for name in NAMES] == ["none", "crop-flip", "none", "crop-flip"]  # ledger row 11
    assert all(info.classes == 10 for info in known.values())
    assert len({info.fingerprint for info in known.values()}) == len(NAMES)


def imported(nodes) -> set[str]:
    """The first names of what these statements import."""
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[0] for name in plain + [n.module for n in nodes if isinstance(n, ast.ImportFrom)]}


def test_a_plan_waits_for_no_heavy_import_and_a_gpu_node_needs_no_others():
    for file in Path(bench.data.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text())
        assert not imported(list(ast.walk(tree))) & {"ray", "mlflow", "matplotlib", "pydantic"}, file
        if file.stem not in ("fetch", "progress"):  # which `data fetch` alone imports
            assert not imported(tree.body) & {"torchvision", "sklearn", "pyarrow", "scipy", "requests", "rich"}, file
        if file.stem != "augmentation":  # which training imports
            assert not imported(tree.body) & {"torch"}, file


def test_digits_are_the_librarys_pixels(tmp_path):
    data = load("digits", root=tmp_path, heldout=200)
    pixels, labels = load_digits(return_X_y=True)
    for_test = [i for i in range(len(labels)) if i % 4 == 0]
    assert data.test.labels.tolist() == labels[for_test].tolist()
    assert torch.equal((data.test.images.double() * 16 / 255).round().flatten(1), torch.tensor(pixels[for_test]))
    assert (data.test.images.min(), data.test.images.max()) == (0, 255)
    both = torch.cat([data.train.images, data.heldout.images])
    others = [i for i in range(len(labels)) if i % 4]
    assert torch.equal((both.double() * 16 / 255).round().flatten(1), torch.tensor(pixels[others]))
    assert (len(data.train.labels), len(data.heldout.labels)) == (1147, 200)
    assert data.train.images.dtype == torch.uint8 and data.train.labels.dtype == torch.int64


def test_the_digits_hash_is_that_of_the_tensors(tmp_path):
    """It is in every recipe's key, so it may not depend on how they are read."""
    data, content = load("digits", root=tmp_path, heldout=200), hashlib.sha256()
    both = [torch.cat(parts) for parts in zip(data.train, data.heldout, strict=True)]
    for tensor in (*both, *data.test):
        content.update(tensor.numpy().tobytes())
    assert describe("digits", tmp_path).fingerprint == content.hexdigest()


def test_the_held_out_images_are_the_last_and_the_trained_ones_the_first(tmp_path):
    whole = load("digits", root=tmp_path, heldout=1)
    cut = load("digits", root=tmp_path, heldout=300, train_images=100)
    assert len(cut.train.labels) == 100
    assert torch.equal(cut.train.images, whole.train.images[:100])
    assert torch.equal(cut.heldout.images[:-1], whole.train.images[-299:])
    assert torch.equal(cut.heldout.images[-1:], whole.heldout.images)
    assert torch.equal(cut.test.images, whole.test.images)
    assert len(load("digits", root=tmp_path, heldout=300, train_images=10**6).train.labels) == 1047


def test_one_image_must_be_left_to_train_on(tmp_path):
    assert len(load("digits", root=tmp_path, heldout=1346).train.labels) == 1
    with pytest.raises(DataError, match="hold out at most 1346"):
        load("digits", root=tmp_path, heldout=1347)


def test_to_moves_every_part(tmp_path):
    moved = load("digits", root=tmp_path, heldout=200).to("meta")
    parts = [moved.train, moved.heldout, moved.test]
    assert {x.device.type for part in parts for x in part} == {"meta"}
    assert (moved.name, moved.classes) == ("digits", 10)


def test_a_misspelt_name_is_refused_in_one_line(tmp_path):
    with pytest.raises(DataError, match="did you mean cifar10") as refusal:
        describe("cifar01", tmp_path)
    assert "\n" not in str(refusal.value)
