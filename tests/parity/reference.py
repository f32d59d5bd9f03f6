"""The authors' code for these tests, from the folder that REFERENCE names, run on a CPU (bench/speed/reference.py)."""

import os
from pathlib import Path

import pytest

from bench.speed import reference
from bench.speed.reference import on_the_cpu, theirs

__all__ = ["load", "on_the_cpu", "require", "root", "theirs"]


def require() -> None:
    """To be called at the top of a test module."""
    if not os.environ.get("REFERENCE"):
        pytest.skip(f"set REFERENCE to {reference.NEEDED}", allow_module_level=True)


def root() -> Path:
    return Path(os.environ["REFERENCE"])


def load(name: str):
    """One of their modules, e.g. `models.cifar10.resnet_OAT`."""
    return reference.load(root(), name)
