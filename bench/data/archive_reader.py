"""Read official archives, all but Fashion-MNIST's with torchvision, after their checksums have been verified.

CIFAR-10 is stored as pickles, and unpickling can run any code. No archive is extracted or read before its MD5 is known
to be the official one.
"""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from bench.data.cache import cached_images
from bench.data.dataset_types import DataError, Images
from bench.data.official_archives import OFFICIAL_DATASETS, describe, missing_error, verify


def read(name: str, root: Path) -> tuple[Images, Images]:
    """Training and test split, uint8 (N, C, H, W) and int64 (N,), in the archive's order.

    The first process verifies and reads the archive and stores the tensors in `root/cache` for all later ones: hashing
    the 2.6 GB of STL-10 in every worker would take longer than many a trial. Raises DataError.
    """
    readers = {"cifar10": _read_cifar10, "svhn": _read_svhn, "stl10": _read_stl10, "fashion-mnist": _read_fashion_mnist}
    reader = readers[name]
    return cached_images(root, describe(name).fingerprint, lambda scratch: reader(root, scratch))


def _read_cifar10(root: Path, scratch: Path) -> tuple[Images, Images]:
    from torchvision.datasets import CIFAR10

    def read_folder(folder: Path) -> tuple[Images, Images]:
        splits = (CIFAR10(folder, train=train) for train in (True, False))
        return tuple(Images.from_arrays(split.data.transpose(0, 3, 1, 2), split.targets) for split in splits)

    files = [file for file, _ in CIFAR10.train_list + CIFAR10.test_list] + [CIFAR10.meta["filename"]]
    return _read_tar("cifar10", files, root, scratch, read_folder)


def _read_stl10(root: Path, scratch: Path) -> tuple[Images, Images]:
    from torchvision.datasets import STL10

    class LabelledSTL10(STL10):
        train_list = STL10.train_list[:2]  # without the 2.7 GB of unlabelled images, which torchvision would hash too

    def read_folder(folder: Path) -> tuple[Images, Images]:
        splits = (LabelledSTL10(folder, split=split) for split in ("train", "test"))
        return tuple(Images.from_arrays(split.data, split.labels) for split in splits)

    files = [file for file, _ in LabelledSTL10.train_list + LabelledSTL10.test_list]
    return _read_tar("stl10", files, root, scratch, read_folder)


def _read_svhn(root: Path, scratch: Path) -> tuple[Images, Images]:
    from torchvision.datasets import SVHN

    for file in OFFICIAL_DATASETS["svhn"].archives:
        if not (root / file).exists():
            raise missing_error("svhn", root, file)
        verify("svhn", root / file)
    splits = (SVHN(root, split=split) for split in ("train", "test"))
    return tuple(Images.from_arrays(split.data, split.labels) for split in splits)


def _read_fashion_mnist(root: Path, scratch: Path) -> tuple[Images, Images]:
    from bench.data import idx

    official = OFFICIAL_DATASETS["fashion-mnist"]
    folder = root / official.folder
    for file in official.archives:
        if not (folder / file).exists():
            raise missing_error("fashion-mnist", root, file)
        verify("fashion-mnist", folder / file)
    return tuple(Images.from_arrays(*split) for split in idx.read_splits(idx.find_files(folder)).values())


def _read_tar(
    name: str,
    files: list[str],
    root: Path,
    scratch: Path,
    read_folder: Callable[[Path], tuple[Images, Images]],
) -> tuple[Images, Images]:
    """Call `read_folder` on the extracted `files` of a verified archive, or on `root` if they are already extracted.

    In the second case torchvision verifies the MD5 of each file before it reads the file.
    """
    official = OFFICIAL_DATASETS[name]
    (archive_name,) = official.archives
    archive, extracted = root / archive_name, root / official.extracted_folder
    try:
        if not archive.exists():
            if not extracted.is_dir():
                raise missing_error(name, root)
            return read_folder(root)
        verify(name, archive)
        _extract(archive, [f"{official.extracted_folder}/{file}" for file in files], scratch)
        return read_folder(scratch)
    # RuntimeError is torchvision's; KeyError, a file that is missing in the archive
    except (RuntimeError, tarfile.TarError, KeyError, EOFError) as error:
        wrong = archive if archive.exists() else extracted
        raise DataError(f"{wrong} is not as published: delete it and run python -m bench data fetch {name}") from error
    except OSError as error:
        raise DataError(f"cannot extract {archive} ({error}): free some space in {root}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _extract(archive: Path, members: list[str], folder: Path) -> None:
    """Extract the given members with the `data` filter, which refuses links and paths that leave the folder."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed process, if it exists; the caller holds the lock
    with tarfile.open(archive) as tar:
        for member in members:
            tar.extract(member, folder, filter="data")
