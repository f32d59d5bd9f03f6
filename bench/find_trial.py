"""Find the directory of a trained network by the first digits of its key."""

from pathlib import Path

from bench.errors import BadInput

MIN_DIGITS = 4  # of a key


def find_trial(key_prefix: str, runs: Path) -> Path:
    """The directory of the only trial whose key begins with the prefix. Raises BadInput."""
    if len(key_prefix) < MIN_DIGITS:
        raise BadInput(f"key {key_prefix}: give at least {MIN_DIGITS} digits; `python -m bench status` lists them")
    directories = sorted(path for path in (runs / "trials").glob("*") if path.is_dir())
    matches = [path for path in directories if path.name.startswith(key_prefix)]
    if not matches:
        listing = f"none of the {len(directories)} keys in {runs} begins so; `python -m bench status` lists them"
        raise BadInput(f"key {key_prefix}: {listing}")
    if len(matches) > 1:
        raise BadInput(f"key {key_prefix}: {', '.join(path.name for path in matches)} begin so: give more digits")
    return matches[0]
