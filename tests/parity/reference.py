"""Access to the authors' code, from the folder that REFERENCE names, on a CPU (`bench.speed.authors_checkout`)."""

import os
from pathlib import Path

import pytest

from bench.speed import authors_checkout
from bench.speed.authors_checkout import imported_packages, on_the_cpu

__all__ = ["imported_packages", "load", "on_the_cpu", "require", "root"]


def require() -> None:
    """To be called at the top of a test module."""
    if not os.environ.get("REFERENCE"):
        pytest.skip(f"set REFERENCE to {authors_checkout.NEEDED}", allow_module_level=True)


def root() -> Path:
    return Path(os.environ["REFERENCE"])


def load(name: str):
    """One of their modules, e.g. `models.cifar10.resnet_OAT`."""
    return authors_checkout.load(root(), name)
