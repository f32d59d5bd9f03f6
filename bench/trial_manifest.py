"""`manifest.json` of a trial's directory: the trial's key, and a checksum of every file that a worker wrote there.

The manifest lists a file's new checksum, beside the one before, until the file has its name: a kill between the two
leaves either file acknowledged. A directory without a manifest is of an earlier version; bench/run/repair.py makes one.
Imports no torch, except to write tensors.
"""

import copy
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.atomic_write import flush, json_text, replacing
from bench.damaged_files import SEAL, Damaged, checksum_of, read_file, read_sealed
from bench.errors import NotFinite

if TYPE_CHECKING:
    import torch

NAME = "manifest.json"
FILE_NAME = re.compile(r"(checkpoint/)?\w[\w@.+-]*", re.ASCII)  # stays in the directory
ABSENT = "absent"  # in place of the checksum of a file that did not exist before


@dataclass
class Manifest:
    """`files`: name → checksums that the file may have. `measured_on`: weights file → the checksum that it had when
    results.json was written."""

    key: str
    files: dict[str, list[str]] = field(default_factory=dict)
    measured_on: dict[str, str] = field(default_factory=dict)

    def is_of_other_weights(self) -> bool:
        """Whether results.json holds measurements of other weights than the present ones."""
        pairs = ((self.files.get(name), checksum) for name, checksum in self.measured_on.items())
        return any(current and checksum not in current for current, checksum in pairs)


def read(directory: Path, key: str | None = None) -> Manifest | None:
    """The directory's manifest, or None where it has none. Raises Damaged, also where it is of another key."""
    path = directory / NAME
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(path, error.strerror or str(error)) from None
    manifest = parse(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns))
    if key and manifest.key != key:
        raise Damaged(path, f"it is of network {manifest.key[:16]}")
    return copy.deepcopy(manifest)


@functools.lru_cache(maxsize=10_000)
def parse(path: Path, state: tuple) -> Manifest:
    """The manifest in the file, read once in each `state` of the file. Raises Damaged."""
    content = read_sealed(path)
    try:
        manifest = Manifest(content["key"], content["files"], content["measured_on"])
        sums = [checksum for checksums in manifest.files.values() for checksum in checksums]
        valid = all(isinstance(text, str) for text in (manifest.key, *sums, *manifest.measured_on.values()))
        valid = valid and all(map(FILE_NAME.fullmatch, manifest.files))
    except (KeyError, AttributeError, TypeError):
        valid = False
    if not valid:
        raise Damaged(path, "it has not the fields of a manifest")
    return manifest


def usable(directory: Path, key: str | None = None) -> Manifest | None:
    """The manifest, or None where it is absent or damaged: files are then judged by their content alone."""
    try:
        return read(directory, key)
    except Damaged:
        return None


def write(directory: Path, manifest: Manifest) -> None:
    """Write the manifest and wait until it is on the disk."""
    with replacing(directory / NAME) as temporary:
        temporary.write_text(manifest_text(manifest), "utf-8")
        flush(temporary)


def manifest_text(manifest: Manifest) -> str:
    """The content of a manifest's file."""
    content = {"key": manifest.key, "files": manifest.files, "measured_on": manifest.measured_on}
    return json_text(content | {SEAL: checksum_of(content)})


def checksum(content: bytes | None) -> str:
    return ABSENT if content is None else hashlib.sha256(content).hexdigest()


def file_checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verified_bytes(directory: Path, name: str, key: str | None = None) -> bytes | None:
    """The content of a file whose checksum is in the manifest, or None where there is none. Raises Damaged, also for a
    name that leads out of the directory.

    In a directory without a manifest, any content. A file that is replaced while it is read is read again.
    """
    if not FILE_NAME.fullmatch(name):
        raise Damaged(directory / name, "no file of a trial has this name")
    manifest = usable(directory, key)
    while True:
        content = read_file(directory / name)
        if manifest is None or checksum(content) in manifest.files.get(name, [ABSENT]):
            return content
        newer = usable(directory, key)
        if newer == manifest:
            break
        manifest = newer
    if content is None:
        raise Damaged(directory / name, "it is gone")
    listed = name in manifest.files
    raise Damaged(directory / name, "it does not have its checksum" if listed else f"it is not in {NAME}")


@contextmanager
def recorded(directory: Path, name: str, key: str) -> Iterator[Path]:
    """Yield a temporary path. The file written there gets its checksum into the manifest, and then its name."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        yield temporary
        flush(temporary)
        manifest = read(directory, key) or Manifest(key)
        manifest.files[name] = [file_checksum(temporary), *manifest.files.get(name, [ABSENT])[:1]]
        if name == "results.json":
            weights = {file: sums[0] for file, sums in manifest.files.items() if file.startswith("weights")}
            manifest.measured_on = {file: checksum for file, checksum in weights.items() if checksum != ABSENT}
        write(directory, manifest)


def write_text(directory: Path, name: str, text: str, key: str) -> None:
    """Write a text file of a trial in UTF-8."""
    with recorded(directory, name, key) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(directory: Path, name: str, value: dict, key: str) -> None:
    """Write a JSON file of a trial. Raises NotFinite for a number that is not finite."""
    try:
        text = json_text(value, finite=True)
    except ValueError:
        raise NotFinite(f"a number in {name} is not finite: it is not written") from None
    write_text(directory, name, text, key)


def write_tensors(
    directory: Path, name: str, tensors: "dict[str, torch.Tensor]", key: str, metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file of a trial. Raises NotFinite for a number that is not finite."""
    from safetensors.torch import save_file

    for tensor_name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise NotFinite(f"{tensor_name} in {name} is not finite: it is not written")
    with recorded(directory, name, key) as temporary:
        save_file(tensors, temporary, metadata)


def tensors(content: bytes) -> "dict[str, torch.Tensor]":
    """The tensors in the content of a safetensors file. Raises ValueError."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    except KeyError as error:
        raise ValueError(f"torch has no tensors of type {error.args[0]}") from None


def tensors_metadata(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file. Raises ValueError."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]).get("__metadata__", {})


def forget(directory: Path, name: str) -> None:
    """Take a file off the manifest, before it is deleted or set aside."""
    manifest = read(directory)
    if manifest and manifest.files.pop(name, None):
        write(directory, manifest)


def own_key(directory: Path) -> str:
    """The key that the directory's manifest has, or else the directory's name."""
    manifest = usable(directory)
    return manifest.key if manifest else directory.name
