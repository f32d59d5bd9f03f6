"""Access to the authors' code in the folder REFERENCE, on a CPU (see bench/speed/authors_checkout.py)."""

import os
from pathlib import Path

import pytest

from bench.speed import authors_checkout
from bench.speed.authors_checkout import imported_packages, on_the_cpu

__all__ = ["imported_packages", "load", "on_the_cpu", "require", "root"]


def require() -> None:
    """Skip the test module that calls this at its top unless REFERENCE is set."""
    if not os.environ.get("REFERENCE"):
        pytest.skip(f"set REFERENCE to {authors_checkout.NEEDED}", allow_module_level=True)


def root() -> Path:
    return Path(os.environ["REFERENCE"])


def load(name: str):
    """Import one of their modules, e.g. `models.cifar10.resnet_OAT`."""
    return authors_checkout.load(root(), name)
