"""AutoAttack is somebody else's work: whose package would be used here, and what the attack is worth by it.

It needs no torch, unlike `autoattack`, which runs it.
"""

import contextlib
import hashlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OWN, ART = "autoattack", "adversarial-robustness-toolbox"
STEPS, TARGETS, QUERIES = 100, 9, 5000
LEAST_CLASSES = 4  # of the own package's targeted DLR loss, which divides by differences of the four largest logits
REMEDY = (
    f"autoattack needs a package that is not installed here: `pip install {ART}`, or put its own, "
    "github.com/fra31/auto-attack, on PYTHONPATH"
)


class Unavailable(Exception):
    """One line: what an attack lacks on this machine, and the remedy."""


def installed() -> str | None:
    """The package that would be used."""
    found = importlib.util.find_spec(OWN)
    if found and found.origin:  # a folder that happens to have the name has no origin
        return OWN
    with contextlib.suppress(PackageNotFoundError):
        return version(ART) and ART
    return None


def lacking() -> str | None:
    """Why AutoAttack cannot run here, in one line; None where it can."""
    return None if installed() else REMEDY


def package() -> str:
    """Name and version of the package that is used; of one without a version, the SHA-256 of its source."""
    name = installed()
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        digest = hashlib.sha256()
        for path in sorted(Path(importlib.util.find_spec(name).origin).parent.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
        return f"{name} (source {digest.hexdigest()[:12]})"


def effort(classes: int) -> int:
    """Gradient steps an image that it is worth, a forward counted half a one. An image that has fallen costs nothing
    more: reckoned as if half of them withstood everything, and the others fell at once, so it may be twice as much.
    """
    targets = min(TARGETS, classes - 1)
    if installed() == ART:  # which looks at the loss after every step, and three times at the logits in one of Square's
        return int(1.5 * STEPS * (1 + targets / 2) + 3 * QUERIES / 4)
    apgd, fab = targets * (classes >= LEAST_CLASSES), 1.5 * targets
    return int(STEPS * (1 + (apgd + fab) / 2) + QUERIES / 4)
