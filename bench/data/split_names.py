"""Names that splits have in folders and files."""

SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("validation", "val", "valid", "dev"),
}
SPLIT_NAMES = {name for names in SPLITS.values() for name in names}


def split_of(name: str) -> str | None:
    """The split that a name stands for, whatever its case; None if it is no split's name."""
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)
