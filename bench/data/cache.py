"""The cache folder `root/cache`: decoded tensors in `<fingerprint>.safetensors`, file locks, atomic writes.

When eight workers start together, one of them decodes the images and the others wait for its lock. The format is
safetensors because, unlike a pickle, reading it runs no code. A file carries its fingerprint and a checksum of its
tensors; one that fails is set aside and written again. Files of earlier versions carry none and are taken as they are.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copymode
from typing import TYPE_CHECKING

from bench.damaged_files import Damaged, set_aside
from bench.data.dataset_types import DataError, Images

if TYPE_CHECKING:
    from torch import Tensor


def cached_images(root: Path, fingerprint: str, read: Callable[[Path], tuple[Images, Images]]) -> tuple[Images, Images]:
    """Load the training and test split from the cache; on a miss, call `read(scratch)` under a lock and store them.

    `scratch` is the path of a folder that does not exist. `read` may create it, and then has to remove it.
    """
    file = cache_folder(root) / f"{fingerprint}.safetensors"
    with suppress(Damaged):
        if splits := _load(file, fingerprint):
            return splits
    lock = file.with_suffix(".lock")
    with exclusive_lock(lock):
        try:  # another process may have written it while this one waited for the lock
            if splits := _load(file, fingerprint):
                return splits
        except Damaged as damage:
            set_aside(damage.path)
        from safetensors.torch import save_file

        tensors = _to_tensors(*read(file.with_suffix(".scratch")))
        with write_atomically(file) as temporary:
            save_file(tensors, temporary, {"checksum": _checksum(fingerprint, tensors)})
            copymode(lock, temporary)  # safetensors sets owner-only access; other users may share the cache
        return _to_splits(tensors)


def is_cached(root: Path, fingerprint: str) -> bool:
    return (root / "cache" / f"{fingerprint}.safetensors").exists()


def _to_tensors(train: Images, test: Images) -> dict[str, Tensor]:
    splits = {"train": train, "test": test}
    return {f"{name}.{field}": x.contiguous() for name, split in splits.items() for field, x in split._asdict().items()}


def _to_splits(tensors: dict[str, Tensor]) -> tuple[Images, Images]:
    return tuple(Images(tensors[f"{name}.images"], tensors[f"{name}.labels"]) for name in ("train", "test"))


def _checksum(fingerprint: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the data set's fingerprint and the tensors' names, shapes and bytes."""
    sha = hashlib.sha256(fingerprint.encode())
    for name in sorted(tensors):
        sha.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        sha.update(tensors[name].numpy())
    return sha.hexdigest()


def _load(file: Path, fingerprint: str) -> tuple[Images, Images] | None:
    """The splits in a file of the cache, or None where there is no file. Raises Damaged."""
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as content:
            checksum = (content.metadata() or {}).get("checksum")
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118, not a dict
        splits = _to_splits(tensors)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise Damaged(file, f"it is no file of the cache ({error})") from None
    if checksum is not None and checksum != _checksum(fingerprint, tensors):
        raise Damaged(file, "its images do not have their checksum")
    return splits


def cache_folder(root: Path) -> Path:
    """Create `root/cache` if needed and return its path. Raises DataError if it cannot be created."""
    path = Path(root) / "cache"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot create {path} ({error.strerror}): choose a writable data folder") from error
    return path


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Let one process at a time into the block. The lock ends with its process, even a killed one; its file stays."""
    try:
        handle = path.open("a", encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {path} ({error.strerror}): choose a writable data folder") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it on success: readers see the old or the new file, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path} ({error.strerror}): free some space, or choose another folder") from error
    finally:
        temporary.unlink(missing_ok=True)
