"""Tensors that are made once and read by every process: `root/cache/<fingerprint>.safetensors`.

Eight workers that start together on 60,000 JPEGs, or on an archive, must not all decode it: one does, the others wait
for its lock. safetensors, because reading it runs no code, unlike a pickle.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copymode
from typing import TYPE_CHECKING

from bench.data.words import DataError, Images

if TYPE_CHECKING:
    from torch import Tensor


def cached(root: Path, fingerprint: str, make: Callable[[Path], tuple[Images, Images]]) -> tuple[Images, Images]:
    """Training and test part under this fingerprint, made by `make(scratch)` if no process has made them yet.

    `scratch` is a folder that is not there yet; `make` may create and fill it, and removes it. It runs under the lock.
    """
    file = cache_folder(root) / f"{fingerprint}.safetensors"
    if not file.exists():
        lock = file.with_suffix(".lock")
        with locked(lock):
            if not file.exists():  # another process may have made it while this one waited
                from safetensors.torch import save_file

                train, test = make(file.with_suffix(".scratch"))
                with replacing(file) as temporary:
                    save_file(_pack(train, test), temporary)
                    copymode(lock, temporary)  # safetensors writes for its owner only; colleagues may share the data
    return _unpack(file)


def _pack(train: Images, test: Images) -> dict[str, Tensor]:
    parts = {"train": train, "test": test}
    return {f"{name}.{field}": x.contiguous() for name, part in parts.items() for field, x in part._asdict().items()}


def _unpack(file: Path) -> tuple[Images, Images]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(file)
        return tuple(Images(tensors[f"{name}.images"], tensors[f"{name}.labels"]) for name in ("train", "test"))
    except (SafetensorError, KeyError) as error:
        raise DataError(f"{file} is damaged ({error}): delete it, and it is made anew") from error


def cache_folder(root: Path) -> Path:
    """`root/cache`, made if it is not there. Raises DataError where it cannot be written."""
    path = Path(root) / "cache"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make {path} ({error.strerror}): choose a data folder that can be written") from error
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time is inside. The lock ends with its process, however that ends; its empty file stays."""
    try:
        handle = path.open("a")
    except OSError as error:
        raise DataError(f"cannot write {path} ({error.strerror}): choose a data folder that can be written") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place if all goes well. Readers see the old or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path} ({error.strerror}): free some space, or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)
