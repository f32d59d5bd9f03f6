"""Write names and quantities as figures and pages show them."""

import json
import re

DATASETS = {"svhn": "SVHN", "cifar10": "CIFAR-10", "stl10": "STL-10"}  # in the paper's order
NAMES = DATASETS | {"fashion-mnist": "Fashion-MNIST", "fashion-mnist-8k": "Fashion-MNIST-8k"}
ATTACKS = {"fgsm": "FGSM", "mifgsm": "MI-FGSM", "mi-fgsm": "MI-FGSM", "autoattack": "AutoAttack"}


def dataset(name: str) -> str:
    """Name a data set: cifar10 → CIFAR-10. A variant has other pixels, so its suffix stays: CIFAR-10-JPEG."""
    base, _, variant = name.partition("_")
    return f"{DATASETS[base]}-{variant.upper()}" if base in DATASETS and variant else NAMES.get(name, name)


def arch(name: str) -> str:
    """Name an architecture: wrn-16-8 → WRN-16-8, resnet34 → ResNet-34."""
    return "ResNet-" + name[6:] if name.startswith("resnet") else name.upper()


def attack(name: str) -> str:
    """Name an attack: pgd7 → PGD-7, cw50-r10 → CW-50 (10 restarts)."""
    match = re.fullmatch(r"(pgd|cw)(\d+)(?:-r(\d+))?", name)
    if not match:
        return ATTACKS.get(name, name)
    return f"{match[1].upper()}-{match[2]}" + (f" ({match[3]} restarts)" if match[3] else "")


def epsilon(value: float) -> str:
    """Write ε as 8/255 if it is a whole number of grey levels, otherwise as a decimal fraction."""
    levels = value * 255
    return f"{levels:.0f}/255" if abs(levels - round(levels)) < 1e-6 else f"{value:g}"


def short_title(title: str) -> str:
    """Shorten a title: Figure 4. Trade-off between … → Figure 4."""
    return re.match(r"(Figure \d+|App\. [A-Z])\b|.+?(?=: |\. |$)", title, re.DOTALL)[0] if title else title


def listing(items) -> str:
    """Join items as in a sentence: a, b, and c."""
    texts = [str(item) for item in items]
    if len(texts) < 3:
        return " and ".join(texts)
    return ", ".join(texts[:-1]) + ", and " + texts[-1]


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def commit(name: str, dirty: object) -> str:
    """First 12 digits of a commit, marked if the checkout was dirty."""
    return f"{(name or 'unknown')[:12]}{' (dirty)' if dirty else ''}"


def overrides(changed: dict) -> str:
    """Write overridden fields: {"protocol": "authors-code"} → protocol=authors-code."""
    texts = {field: value if isinstance(value, str) else json.dumps(value) for field, value in changed.items()}
    return ", ".join(f"{field}={text}" for field, text in texts.items())
