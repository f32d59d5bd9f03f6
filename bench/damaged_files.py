"""Damaged files: how they are noticed, named, and set aside. Every reader of a stored file raises `Damaged`.

A file is set aside by renaming it, and never deleted. Imports no torch.
"""

import hashlib
import json
import os
from pathlib import Path

from bench.atomic_write import write_json

SEAL = "sha256"  # the field of a sealed JSON file that holds the checksum of the others
DEEP = RecursionError, ValueError  # of the JSON parser; not UTF-8 and lone surrogates are ValueErrors too


class Damaged(Exception):
    """A stored file that is not what was written. The text names the file and the reason."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} is damaged: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self):
        return Damaged, (self.path, self.reason)


def read_file(path: Path) -> bytes | None:
    """The file's content, or None where there is no file. Raises Damaged where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(path, error.strerror or str(error)) from None


def parse_object(path: Path, content: bytes) -> dict:
    """The JSON object that is the content of the file. Raises Damaged."""
    try:
        value = json.loads(content.decode("utf-8"))
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate could not be printed
    except DEEP:
        raise Damaged(path, "it is empty" if not content else "it is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise Damaged(path, "it holds no JSON object")
    return value


def write_sealed(path: Path, value: dict) -> None:
    """Write a JSON file that carries a checksum of its content."""
    write_json(path, value | {SEAL: checksum_of(value)})


def read_sealed(path: Path) -> dict | None:
    """What `write_sealed` wrote, or None where there is no file. Files of earlier versions have no checksum.

    Raises Damaged.
    """
    content = read_file(path)
    if content is None:
        return None
    value = parse_object(path, content)
    seal = value.pop(SEAL, None)
    if seal is not None and seal != checksum_of(value):
        raise Damaged(path, "its content does not have its checksum")
    return value


def checksum_of(value: dict) -> str:
    """SHA-256 of a JSON object, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def set_aside(path: Path) -> Path:
    """Rename a file or folder to a free name beside it, `NAME.damaged` or `NAME.damaged-2`, …; returns the new path."""
    number, target = 1, path.with_name(f"{path.name}.damaged")
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{path.name}.damaged-{number}")
    path.rename(target)
    return target
