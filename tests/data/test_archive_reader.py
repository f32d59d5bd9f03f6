"""Reading official archives: small archives in the official formats are written, then read back pixel for pixel.

Only checksums are patched: the archive's in OFFICIAL_DATASETS, and those that torchvision compares.
"""

import gzip
import hashlib
import io
import multiprocessing
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from bench.data import DataError, describe, load, local_files
from bench.data.official_archives import OFFICIAL_DATASETS
from tests.data import split_reference
from tests.data.archive_patches import patch_archive


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def random_pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_tar(path: Path, files: dict[str, bytes], monkeypatch) -> None:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    patch_archive(monkeypatch, path.name, md5=md5(path.read_bytes()))


def encode_cifar10(images: np.ndarray, labels: list[int], monkeypatch) -> dict[str, bytes]:
    """Encode images as the six pickled batches of CIFAR-10; the last sixth is the test batch."""
    from torchvision.datasets import CIFAR10  # here: torchvision is slow to import, so not while tests are collected

    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    batches = zip(names, np.array_split(images.reshape(len(images), -1), 6), np.array_split(labels, 6), strict=True)
    files = {name: pickle.dumps({"data": x, "labels": y.tolist()}, protocol=2) for name, x, y in batches}
    files["batches.meta"] = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}, protocol=2)
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(files[name])] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(files["test_batch"])]])
    monkeypatch.setitem(CIFAR10.meta, "md5", md5(files["batches.meta"]))
    return {f"cifar-10-batches-py/{name}": data for name, data in files.items()}


def write_cifar10(root: Path, images: np.ndarray, labels: list[int], monkeypatch) -> None:
    write_tar(root / "cifar-10-python.tar.gz", encode_cifar10(images, labels, monkeypatch), monkeypatch)


def write_svhn(root: Path, splits: dict[str, tuple[np.ndarray, np.ndarray]], monkeypatch) -> None:
    import scipy.io
    from torchvision.datasets import SVHN

    split_list = {}
    for split, (images, labels) in splits.items():
        file = root / f"{split}_32x32.mat"
        scipy.io.savemat(file, {"X": images, "y": labels.reshape(-1, 1)})
        checksum = md5(file.read_bytes())
        patch_archive(monkeypatch, file.name, md5=checksum)
        split_list[split] = [SVHN.split_list[split][0], file.name, checksum]
    monkeypatch.setattr(SVHN, "split_list", split_list)


def write_stl10(root: Path, files: dict[str, bytes], monkeypatch) -> None:
    from torchvision.datasets import STL10

    checksums = {name: md5(data) for name, data in files.items()} | {"unlabeled_X.bin": "0" * 32}
    for file_list in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, file_list, [[name, checksums[name]] for name, _ in getattr(STL10, file_list)])
    members = {f"stl10_binary/{name}": data for name, data in files.items()}
    write_tar(root / "stl10_binary.tar.gz", members | {"stl10_binary/unlabeled_X.bin": b"not read"}, monkeypatch)


def write_fashion_mnist(root: Path, splits: dict[str, tuple[np.ndarray, np.ndarray]], monkeypatch) -> None:
    """Write the four gzipped IDX files by NumPy's own big-endian integers."""
    (root / "fashion-mnist").mkdir()
    for split, arrays in splits.items():
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays, strict=True):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            file = root / "fashion-mnist" / f"{split}-{kind}-ubyte.gz"
            file.write_bytes(gzip.compress(header + array.tobytes()))
            patch_archive(monkeypatch, file.name, md5=md5(file.read_bytes()))


def test_fashion_mnist_is_read_exactly_and_only_if_its_checksums_are_right(tmp_path, monkeypatch):
    splits = {
        name: (random_pixels(seed, count, 28, 28), random_pixels(seed, count) % 10)
        for name, seed, count in (("train", 0, 30), ("t10k", 1, 20))
    }
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz is not in .*data fetch fashion-mnist"):
        load("fashion-mnist", root=tmp_path, heldout=10)
    write_fashion_mnist(tmp_path, splits, monkeypatch)
    file = tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz"
    content = file.read_bytes()
    file.write_bytes(gzip.compress(b"other"))
    with pytest.raises(DataError, match="not the official file"):
        load("fashion-mnist", root=tmp_path, heldout=10)
    file.write_bytes(content)
    data = load("fashion-mnist", root=tmp_path, heldout=10)
    train = [torch.cat(tensors).numpy() for tensors in zip(data.train, data.heldout, strict=True)]
    for (images, labels), (expected, expected_labels) in zip((train, data.test), splits.values(), strict=True):
        assert np.array_equal(images, expected[:, None]) and labels.tolist() == expected_labels.tolist()


def test_cifar10_is_read_exactly(tmp_path, monkeypatch):
    images, labels = random_pixels(0, 60, 3, 32, 32), [i * 7 % 10 for i in range(60)]
    write_cifar10(tmp_path, images, labels, monkeypatch)
    data = load("cifar10", root=tmp_path, heldout=10)
    assert np.array_equal(torch.cat([data.train.images, data.heldout.images, data.test.images]).numpy(), images)
    assert torch.cat([data.train.labels, data.heldout.labels, data.test.labels]).tolist() == labels
    assert [len(part.labels) for part in (data.train, data.heldout, data.test)] == [40, 10, 10]
    # only the archive, the cached tensors and their lock remain
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} == {".gz", ".lock", ".safetensors"}


def test_cifar10_can_be_read_from_its_extracted_folder(tmp_path, monkeypatch):
    images, labels = random_pixels(1, 60, 3, 32, 32), [i % 10 for i in range(60)]
    for name, data in encode_cifar10(images, labels, monkeypatch).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    data = load("cifar10", root=tmp_path, heldout=10)
    assert np.array_equal(data.train.images.numpy(), images[:40])
    assert (tmp_path / "cifar-10-batches-py" / "data_batch_1").exists()


def test_real_cifar10_is_equal_from_parquet_and_from_the_archive(tmp_path, monkeypatch, shared_data):
    """Compare exact CIFAR-10 training images, stored as PNG in Parquet, with the same images in the official format."""
    source = str(shared_data / "cifar10_lossless_4000.parquet")
    train, test = local_files.read(source, tmp_path, describe(source, tmp_path).fingerprint)
    mixed = torch.cat([train.images, test.images]), torch.cat([train.labels, test.labels])
    all_labels = pq.read_table(source, columns=["label"])["label"].to_pylist()
    back = torch.tensor([row for part in split_reference.split(all_labels) for row in part]).argsort()
    images, labels = (tensor[back] for tensor in mixed)  # in the order of the file's rows
    assert images.shape == (4000, 3, 32, 32) and labels.tolist() == all_labels
    write_cifar10(tmp_path, images.numpy(), labels.tolist(), monkeypatch)
    data = load("cifar10", root=tmp_path, heldout=1)
    assert torch.equal(torch.cat([data.train.images, data.heldout.images, data.test.images]), images)
    assert torch.equal(torch.cat([data.train.labels, data.heldout.labels, data.test.labels]), labels)
    # the first image of CIFAR-10 is a frog whose upper left pixel is known (torchvision's CIFAR10, index 0)
    assert labels[0] == 6 and images[0, :, 0, 0].tolist() == [59, 62, 63]


def test_svhn_is_read_exactly_with_label_ten_as_zero(tmp_path, monkeypatch):
    images = {split: random_pixels(seed, 32, 32, 3, count) for split, seed, count in (("train", 2, 12), ("test", 3, 5))}
    labels = {"train": np.arange(1, 13) % 10 + 1, "test": np.array([10, 1, 9, 10, 2])}
    write_svhn(tmp_path, {split: (images[split], labels[split].astype(np.uint8)) for split in images}, monkeypatch)
    data = load("svhn", root=tmp_path, heldout=2)
    assert np.array_equal(data.train.images.numpy(), images["train"].transpose(3, 2, 0, 1)[:10])
    assert data.heldout.labels.tolist() == (labels["train"] % 10)[10:].tolist()
    assert data.test.labels.tolist() == [0, 1, 9, 0, 2]
    assert np.array_equal(data.test.images.numpy(), images["test"].transpose(3, 2, 0, 1))


def test_stl10_is_read_exactly_without_its_unlabelled_images(tmp_path, monkeypatch):
    # the format is column-major, with labels from 1
    train, test = random_pixels(4, 8, 3, 96, 96), random_pixels(5, 4, 3, 96, 96)
    files = {
        "train_X.bin": train.tobytes(),
        "train_y.bin": bytes([1, 10, 3, 4, 5, 6, 7, 8]),
        "test_X.bin": test.tobytes(),
        "test_y.bin": bytes([10, 1, 2, 9]),
    }
    write_stl10(tmp_path, files, monkeypatch)
    data = load("stl10", root=tmp_path, heldout=3)
    assert np.array_equal(data.train.images.numpy(), train.transpose(0, 1, 3, 2)[:5])
    assert np.array_equal(data.test.images.numpy(), test.transpose(0, 1, 3, 2))
    assert data.test.images[1, 2, 30, 40] == test[1, 2, 40, 30]
    assert data.heldout.labels.tolist() == [5, 6, 7] and data.test.labels.tolist() == [9, 0, 1, 8]


@pytest.mark.parametrize("name", ["cifar10", "svhn", "stl10"])
def test_missing_archives_name_the_remedy(name, tmp_path):
    with pytest.raises(DataError, match=f"run python -m bench data fetch {name}") as refusal:
        load(name, root=tmp_path / "absent", heldout=1)
    assert "\n" not in str(refusal.value)


class MaliciousPickle:
    """A pickle that creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_unpickling_the_malicious_pickle_creates_the_file(tmp_path):
    pickle.loads(pickle.dumps(MaliciousPickle(tmp_path / "harm")))
    assert (tmp_path / "harm").exists()


def test_a_wrong_archive_is_refused_before_anything_is_unpickled(tmp_path, monkeypatch):
    files = encode_cifar10(random_pixels(6, 60, 3, 32, 32), [0] * 60, monkeypatch)
    files["cifar-10-batches-py/data_batch_1"] = pickle.dumps(MaliciousPickle(tmp_path / "harm"))
    official_md5 = OFFICIAL_DATASETS["cifar10"].archives["cifar-10-python.tar.gz"].md5
    write_tar(tmp_path / "cifar-10-python.tar.gz", files, monkeypatch)
    patch_archive(monkeypatch, "cifar-10-python.tar.gz", md5=official_md5)
    with pytest.raises(
        DataError, match="not the official file .* delete it and run python -m bench data fetch cifar10"
    ):
        load("cifar10", root=tmp_path, heldout=1)
    assert not (tmp_path / "harm").exists()


def test_a_wrong_extracted_folder_is_refused_before_anything_is_unpickled(tmp_path, monkeypatch):
    files = encode_cifar10(random_pixels(7, 60, 3, 32, 32), [0] * 60, monkeypatch)
    for tampered in ("data_batch_1", "batches.meta"):
        for name, data in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
        (tmp_path / "cifar-10-batches-py" / tampered).write_bytes(pickle.dumps(MaliciousPickle(tmp_path / "harm")))
        with pytest.raises(DataError, match="not as published"):
            load("cifar10", root=tmp_path, heldout=1)
        assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["svhn", "stl10"])
def test_wrong_files_of_other_datasets_are_refused(name, tmp_path):
    for file in OFFICIAL_DATASETS[name].archives:
        (tmp_path / file).write_bytes(b"not this")
    with pytest.raises(DataError, match=f"not the official file .* fetch {name}"):
        load(name, root=tmp_path, heldout=1)


def test_a_member_outside_the_folder_is_not_extracted(tmp_path, monkeypatch):
    encode_cifar10(random_pixels(8, 60, 3, 32, 32), [0] * 60, monkeypatch)
    monkeypatch.setattr("torchvision.datasets.CIFAR10.train_list", [["../../../escaped", "0" * 32]])
    write_tar(tmp_path / "cifar-10-python.tar.gz", {"cifar-10-batches-py/../../../escaped": b"out"}, monkeypatch)
    with pytest.raises(DataError, match="not as published"):
        load("cifar10", root=tmp_path, heldout=1)
    assert not list(tmp_path.parent.rglob("escaped"))


def test_an_archive_with_a_missing_member_is_refused(tmp_path, monkeypatch):
    files = encode_cifar10(random_pixels(9, 60, 3, 32, 32), [0] * 60, monkeypatch)
    del files["cifar-10-batches-py/test_batch"]
    write_tar(tmp_path / "cifar-10-python.tar.gz", files, monkeypatch)
    with pytest.raises(DataError, match="not as published"):
        load("cifar10", root=tmp_path, heldout=1)
    assert not list(tmp_path.rglob("*.scratch"))


def _load_in_process(root, started, sums):
    torch.set_num_threads(1)  # a fork does not copy OpenMP's other threads
    started.wait()
    data = load("cifar10", root=root, heldout=10)
    sums.put(int(data.train.images.sum()))


def test_several_processes_can_load_at_the_same_time(tmp_path, monkeypatch):
    images = random_pixels(10, 600, 3, 32, 32)
    write_cifar10(tmp_path, images, [0] * 600, monkeypatch)
    context = multiprocessing.get_context("fork")  # so that the processes inherit the patched checksums
    started, sums = context.Event(), context.Queue()
    workers = [context.Process(target=_load_in_process, args=(tmp_path, started, sums)) for _ in range(4)]
    for worker in workers:
        worker.start()
    started.set()
    pixel_sums = [sums.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    assert pixel_sums == [int(images[:490].sum(dtype=np.int64))] * 4
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 1
    assert not list((tmp_path / "cache").glob("*.scratch")) and not list((tmp_path / "cache").glob(".*.tmp"))


def test_the_cache_replaces_the_archive_and_a_damaged_cache_is_made_anew(tmp_path, monkeypatch):
    write_cifar10(tmp_path, random_pixels(11, 60, 3, 32, 32), [0] * 60, monkeypatch)
    first = load("cifar10", root=tmp_path, heldout=1)
    archive = (tmp_path / "cifar-10-python.tar.gz").rename(tmp_path / "elsewhere")
    assert torch.equal(load("cifar10", root=tmp_path, heldout=1).train.images, first.train.images)
    (cache,) = (tmp_path / "cache").glob("*.safetensors")
    assert cache.stat().st_mode & 0o777 == cache.with_suffix(".lock").stat().st_mode & 0o777
    whole = cache.read_bytes()
    flipped_pixel = whole[:-9_000] + bytes([whole[-9_000] ^ 1]) + whole[-8_999:]
    for damage in (whole[:1000], b"", flipped_pixel):
        cache.write_bytes(damage)
        with pytest.raises(DataError, match="data fetch"):
            load("cifar10", root=tmp_path, heldout=1)
        archive.rename(tmp_path / "cifar-10-python.tar.gz")
        for _ in range(2):
            assert torch.equal(load("cifar10", root=tmp_path, heldout=1).train.images, first.train.images)
        (tmp_path / "cifar-10-python.tar.gz").rename(archive)
    set_aside = sorted((tmp_path / "cache").glob("*.damaged*"))
    assert [path.read_bytes() for path in set_aside] == [whole[:1000], b"", flipped_pixel]
