"""Import the authors' code from a checkout of it, on a GPU or a CPU.

Its packages are called `models`, `attacks` and `utils`: they are removed from sys.modules as soon as they are imported,
so that no other code sees them. Nothing is written into the checkout.
"""

import importlib
import sys
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import torch

from bench.errors import BadInput

COMMIT = "2615279"
PACKAGES = ("models", "attacks", "utils")
NEEDED = f"a checkout of VITA-Group/Once-for-All-Adversarial-Training, commit {COMMIT}"


def check(root: Path) -> Path:
    """The folder, absolute. Raises BadInput unless it is a checkout of the authors' code."""
    if not (root / "OAT.py").is_file():
        raise BadInput(f"{root} has no OAT.py: REFERENCE must name {NEEDED}")
    return root.resolve()


@cache
def load(root: Path, name: str):
    """Import one of the authors' modules, e.g. `models.cifar10.resnet_OAT`."""
    root = check(root)
    path = [str(root), *sys.path]
    with packages_hidden(), patch.object(sys, "path", path), patch.object(sys, "dont_write_bytecode", True):
        return importlib.import_module(name)


@contextmanager
def packages_hidden():
    """Take PACKAGES out of sys.modules within; afterwards sys.modules holds under their names what it held before."""
    before = {name: sys.modules.pop(name) for name in imported_packages()}
    try:
        yield
    finally:
        for name in imported_packages():
            del sys.modules[name]
        sys.modules.update(before)


def imported_packages() -> list[str]:
    """Names in sys.modules that belong to PACKAGES."""
    return [name for name in sys.modules if name.split(".")[0] in PACKAGES]


@contextmanager
def on_the_cpu():
    """Make `.cuda()`, which the authors' code calls, do nothing within."""
    with ExitStack() as stack:
        for kind in (torch.Tensor, torch.nn.Module):
            stack.enter_context(patch.object(kind, "cuda", lambda self: self))
        yield
