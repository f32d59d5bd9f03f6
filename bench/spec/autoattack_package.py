"""The package of AutoAttack's authors: whether it is installed, its version, the cost of the attack. Needs no torch.

bench/attacks/autoattack.py runs it.
"""

from importlib.metadata import PackageNotFoundError, version

PACKAGE = "pyautoattack"
STEPS, TARGETS, QUERIES = 100, 9, 5000  # of the standard version
LEAST_CLASSES = 4  # the targeted DLR loss divides by differences of the four largest logits
REMEDY = f"autoattack needs a package that is not installed here: `pip install {PACKAGE}`, or the extra `modern`"


class Unavailable(Exception):
    """A package is missing. The message is one line with the remedy."""


def package() -> str | None:
    """Name and version of the package, or None where it is not installed."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return None


def lacking() -> str | None:
    """One line about the missing package, or None where AutoAttack can run."""
    return None if package() else REMEDY


def effort(classes: int) -> int:
    """Expected gradient steps per image, a forward pass counted half. A fooled image is not attacked again: the number
    assumes that half of the images withstand everything and the others nothing, so the cost may be twice as high."""
    targets = min(TARGETS, classes - 1)
    apgd, fab = targets * (classes >= LEAST_CLASSES), 1.5 * targets
    return int(STEPS * (1 + (apgd + fab) / 2) + QUERIES / 4)
