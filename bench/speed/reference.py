"""The authors' code, imported from a checkout of theirs, on a GPU or a CPU.

Its packages are called `models`, `attacks` and `utils`: they are taken out of sys.modules again as soon as they are
imported, so that no other code ever sees them. Nothing is written into the folder.
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
    """The folder, absolute. Raises BadInput where it is no such checkout."""
    if not (root / "OAT.py").is_file():
        raise BadInput(f"{root} has no OAT.py: REFERENCE must name {NEEDED}")
    return root.resolve()


@cache
def load(root: Path, name: str):
    """One of their modules, e.g. `models.cifar10.resnet_OAT`."""
    root = check(root)
    path = [str(root), *sys.path]
    with names_of_our_own(), patch.object(sys, "path", path), patch.object(sys, "dont_write_bytecode", True):
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
    with ExitStack() as stack:
        for kind in (torch.Tensor, torch.nn.Module):
            stack.enter_context(patch.object(kind, "cuda", lambda self: self))
        yield
