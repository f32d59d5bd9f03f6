"""Packages that implement AutoAttack: which one is installed, its version, and the cost of the attack. Needs no torch.

bench/attacks/autoattack.py runs them.
"""

import contextlib
import hashlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OWN, ART = "autoattack", "adversarial-robustness-toolbox"
STEPS, TARGETS, QUERIES = 100, 9, 5000
LEAST_CLASSES = 4  # the authors' targeted DLR loss divides by differences of the four largest logits
REMEDY = (
    f"autoattack needs a package that is not installed here: `pip install {ART}`, or put its own, "
    "github.com/fra31/auto-attack, on PYTHONPATH"
)


class Unavailable(Exception):
    """A package is missing. The message is one line with the remedy."""


def installed() -> str | None:
    """The installed package, the authors' own first, or None."""
    spec = importlib.util.find_spec(OWN)
    if spec and spec.origin:  # a folder that happens to have the name has no origin
        return OWN
    with contextlib.suppress(PackageNotFoundError):
        return version(ART) and ART
    return None


def lacking() -> str | None:
    """One line about the missing package, or None where AutoAttack can run."""
    return None if installed() else REMEDY


def package() -> str:
    """Name and version of the installed package; without a version, the SHA-256 of its source."""
    name = installed()
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        digest = hashlib.sha256()
        for path in sorted(Path(importlib.util.find_spec(name).origin).parent.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
        return f"{name} (source {digest.hexdigest()[:12]})"


def effort(classes: int) -> int:
    """Expected gradient steps per image, a forward pass counted half. A fooled image is not attacked again: the number
    assumes that half of the images withstand everything and the others nothing, so the cost may be twice as high."""
    targets = min(TARGETS, classes - 1)
    if installed() == ART:  # ART computes the loss after every step, and three times the logits per query
        return int(1.5 * STEPS * (1 + targets / 2) + 3 * QUERIES / 4)
    apgd, fab = targets * (classes >= LEAST_CLASSES), 1.5 * targets
    return int(STEPS * (1 + (apgd + fab) / 2) + QUERIES / 4)
