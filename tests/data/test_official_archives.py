"""The table of official archives agrees with torchvision; availability without reading."""

import pytest

from bench.data import datasets
from bench.data.official_archives import OFFICIAL_DATASETS, describe, is_available


def test_checksums_and_folders_equal_torchvisions():
    from torchvision.datasets import CIFAR10, STL10, SVHN, FashionMNIST  # slow: not while tests are collected

    svhn_checksums = {file: checksum for _, file, checksum in (SVHN.split_list["train"], SVHN.split_list["test"])}
    checksums = {CIFAR10.filename: CIFAR10.tgz_md5, STL10.filename: STL10.tgz_md5} | svhn_checksums
    checksums |= dict(FashionMNIST.resources)
    archives = {file: x for official in OFFICIAL_DATASETS.values() for file, x in official.archives.items()}
    assert {file: archive.md5 for file, archive in archives.items()} == checksums
    assert all(archive.urls and archive.size for archive in archives.values())
    assert OFFICIAL_DATASETS["cifar10"].extracted_folder == CIFAR10.base_folder
    assert OFFICIAL_DATASETS["stl10"].extracted_folder == STL10.base_folder


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("cifar10", "9a6c42c55f64f33b28917c6e51f614868ad3af0f5c5eecad05f5d4a96660383d"),
        ("svhn", "7f937b49947c6fae13bded1aaf91c94fa203cd6de8e7b6f53aec6650c5bece08"),
        ("stl10", "ded43db7ccc2b157ff0c1da0ebb8610be5811b7a6d579bfa432f6fa8a2162a44"),
        ("fashion-mnist", "15023a076847fc8a0c1ba0bae121f788b28e260b85dc053e9c8f25d5f542b5be"),
        ("fashion-mnist-8k", "08eb581a39c3bf903419bfa25cf23cc51d00c39d2e229e66faf90882fdde51f9"),
    ],
)
def test_fingerprints_are_unchanged(name, fingerprint, tmp_path):
    """A fingerprint is part of every recipe's key, so a change would orphan all finished runs."""
    assert datasets.describe(name, tmp_path).fingerprint == fingerprint


def test_a_dataset_is_available_as_archives_as_extracted_folder_or_as_cached_tensors(tmp_path):
    archives, extracted, cached = (tmp_path / name for name in ("archives", "extracted", "cached"))
    archives.mkdir()
    (archives / "train_32x32.mat").touch()
    assert not is_available("svhn", archives)  # its test split is missing
    (archives / "test_32x32.mat").touch()
    (extracted / "stl10_binary").mkdir(parents=True)
    (cached / "cache").mkdir(parents=True)
    (cached / "cache" / f"{describe('svhn').fingerprint}.safetensors").touch()
    assert is_available("svhn", archives) and is_available("svhn", cached) and is_available("stl10", extracted)
    assert not any(is_available("cifar10", root) for root in (archives, extracted, cached))
