"""How names and quantities are written in figures and on the page."""

import json
import re

DATASETS = {"svhn": "SVHN", "cifar10": "CIFAR-10", "stl10": "STL-10"}  # in the paper's order
ATTACKS = {"fgsm": "FGSM", "mifgsm": "MI-FGSM", "mi-fgsm": "MI-FGSM", "autoattack": "AutoAttack"}


def dataset(name: str) -> str:
    """cifar10 → CIFAR-10, and a variant of one, cifar10_jpeg → CIFAR-10-JPEG: never the plain name for other pixels."""
    base, _, variant = name.partition("_")
    return f"{DATASETS[base]}-{variant.upper()}" if base in DATASETS and variant else DATASETS.get(name, name)


def arch(name: str) -> str:
    """wrn-16-8 → WRN-16-8, resnet34 → ResNet-34."""
    return "ResNet-" + name[6:] if name.startswith("resnet") else name.upper()


def attack(name: str) -> str:
    """pgd7 → PGD-7, cw50-r10 → CW-50 (10 restarts)."""
    found = re.fullmatch(r"(pgd|cw)(\d+)(?:-r(\d+))?", name)
    if not found:
        return ATTACKS.get(name, name)
    return f"{found[1].upper()}-{found[2]}" + (f" ({found[3]} restarts)" if found[3] else "")


def epsilon(value: float) -> str:
    """8/255 where it is a whole number of grey levels, else a decimal fraction."""
    levels = value * 255
    return f"{levels:.0f}/255" if abs(levels - round(levels)) < 1e-6 else f"{value:g}"


def listing(words) -> str:
    """a, b, and c."""
    words = [str(word) for word in words]
    if len(words) < 3:
        return " and ".join(words)
    return ", ".join(words[:-1]) + ", and " + words[-1]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def missing(gone: int, planned: int) -> str:
    """3 of 24 networks missing; empty where none is."""
    return f"{gone} of {counted(planned, 'network')} missing" if gone else ""


def overrides(changed: dict) -> str:
    """{"protocol": "authors-code"} → protocol=authors-code."""
    shown = (value if isinstance(value, str) else json.dumps(value) for value in changed.values())
    return ", ".join(f"{field}={value}" for field, value in zip(changed, shown, strict=True))


def first_line(text: object) -> str:
    lines = str(text).strip().splitlines()
    return lines[0] if lines else ""
