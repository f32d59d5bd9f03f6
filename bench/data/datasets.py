"""The two entrances: `describe` a data set without decoding it, and `load` it, split into its three parts."""

import difflib
from pathlib import Path

from bench.data import digits, official
from bench.data.words import DataError, Dataset, Images, Info

NAMES = ("digits", *official.FACTS)


def describe(source: str, root: Path) -> Info:
    """What is known of `source`: one of NAMES, or the path of a Parquet file, a Parquet folder or an image folder.

    `root` is the folder of the official archives. A named data set needs no file for this; a path is read once for its
    fingerprint, which is then remembered under `root/cache`. Raises DataError.
    """
    if source == "digits":
        return digits.describe()
    if source in official.FACTS:
        return official.describe(source)
    if not Path(source).expanduser().exists():
        close = difflib.get_close_matches(source, NAMES, 1)
        guess = f" (did you mean {close[0]}?)" if close else ""
        raise DataError(f"no data {source!r}{guess}: give {', '.join(NAMES)}, or a path to Parquet or image files")
    from bench.data import paths  # here, because a plan on named data needs neither NumPy nor Pillow

    return paths.describe(source, Path(root), NAMES)


def require(source: str, root: Path) -> None:
    """Raises DataError with the remedy when a named data set's files are absent, before anything is started on it."""
    if source in official.FACTS and not official.present(source, Path(root)):
        raise official.absent(source, Path(root))


def load(source: str, *, root: Path, heldout: int, train_images: int | None = None) -> Dataset:
    """The data set on the CPU, as uint8 (N, C, H, W) and int64 (N,).

    `heldout`: the LAST so many training images are set apart for selection, as the authors' code does (ledger row 6).
    `train_images`: of the others, the first so many are trained on; none for all. No seed enters here: the split is
    the same in every run. Raises DataError.
    """
    info = describe(source, root)
    train, test = _read(source, Path(root), info.fingerprint)
    kept = len(train.labels) - heldout
    if kept < 1:
        raise DataError(
            f"{info.name}: {heldout} held-out images of {len(train.labels)} leave none to train on: "
            f"hold out at most {len(train.labels) - 1}"
        )
    part = kept if train_images is None else min(train_images, kept)
    return Dataset(info.name, info.classes, train.slice(0, part), train.slice(kept, None), test)


def _read(source: str, root: Path, fingerprint: str) -> tuple[Images, Images]:
    if source == "digits":
        return digits.read()
    if source in official.FACTS:
        return official.read(source, root)
    from bench.data import paths  # as above

    return paths.read(source, root, fingerprint)
