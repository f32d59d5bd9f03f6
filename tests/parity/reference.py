"""The authors' code, imported from the folder REFERENCE names and run on a CPU.

Its packages are called `models`, `attacks` and `utils`: they are taken out of sys.modules again as soon as they are
imported, so that no other test ever sees them. Nothing is written into the folder.
"""

import importlib
import os
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import torch

COMMIT = "2615279"
PACKAGES = ("models", "attacks", "utils")
NEEDED = f"set REFERENCE to a checkout of VITA-Group/Once-for-All-Adversarial-Training, commit {COMMIT}"


def require() -> None:
    """To be called at the top of a test module."""
    if not os.environ.get("REFERENCE"):
        pytest.skip(NEEDED, allow_module_level=True)


@cache
def load(name: str):
    """One of their modules, e.g. `models.cifar10.resnet_OAT`."""
    root = Path(os.environ["REFERENCE"]).resolve()
    if not (root / "OAT.py").is_file():
        raise FileNotFoundError(f"{root} has no OAT.py: {NEEDED}")
    with names_of_our_own(), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root)
        patch.setattr(sys, "dont_write_bytecode", True)
        return importlib.import_module(name)


@contextmanager
def names_of_our_own():
    """Within, PACKAGES are not imported; afterwards sys.modules holds under their names what it held before."""
    before = {name: sys.modules.pop(name) for name in theirs()}
    try:
        yield
    finally:
        for name in theirs():
            del sys.modules[name]
        sys.modules.update(before)


def theirs() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] in PACKAGES]


@contextmanager
def on_the_cpu():
    """Their `.cuda()` does nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "cuda", lambda self: self)
        patch.setattr(torch.nn.Module, "cuda", lambda self: self)
        yield
