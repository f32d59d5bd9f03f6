"""Read odd data sets: each has to be read as meant, or refused in one line that names the file and the remedy.

`python -m tests.torture.data SEED COUNT FOLDER`, or `torture`. A case is made from the seed and its number alone.
"""

import shutil
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet  # noqa: F401 (imported before the clock of the first case starts)
import torch  # noqa: F401

from bench.data import DataError, describe, load, require_files
from tests.torture import odd_folders, odd_images, odd_tables  # noqa: F401 (they register kinds)
from tests.torture.odd_case import KINDS, Case

SECONDS = 5  # of CPU time for one data set
HANGS_AFTER = 60  # seconds: another process may need the CPU


def torture(seed: int, count: int, folder: Path) -> dict:
    """Make and read `count` odd data sets, all kinds in turn.

    Returns {"tried", "fine", "refused", "failed": numbers of data sets, "failures": a line for each that failed}.
    """
    names = list(KINDS)
    outcomes, failures = Counter(), []
    for number in range(count):
        name = names[number % len(names)]
        place = folder / f"case-{number}"
        place.mkdir(parents=True)
        try:
            case = KINDS[name](place, np.random.default_rng((seed, number)))
            outcome = within_seconds(case, place / "root")
        finally:
            shutil.rmtree(place)
        failed = outcome not in ("fine", "refused")
        outcomes["failed" if failed else outcome] += 1
        if failed:
            failures.append(f"seed {seed}, number {number}, {name}: {outcome}")
    return {"tried": count, **{o: outcomes[o] for o in ("fine", "refused", "failed")}, "failures": failures}


def within_seconds(case: Case, root: Path) -> str:
    """The outcome of a case, read in a thread: one that hangs is left behind."""
    outcomes = []

    def work():
        began = time.thread_time()
        outcome = read(case, root)
        seconds = time.thread_time() - began
        outcomes.append(outcome if seconds < SECONDS else f"took {seconds:.0f} s")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(HANGS_AFTER)
    return outcomes[0] if outcomes else f"no answer after {HANGS_AFTER} s"


def read(case: Case, root: Path) -> str:
    """ "fine", "refused", or what is wrong with how a case was read."""
    try:
        info = describe(str(case.source), root)
        require_files(str(case.source), root)
        data = load(str(case.source), root=root, heldout=info.heldout)
    except DataError as refusal:
        return judge_refusal(case, str(refusal))
    except BaseException:
        return traceback.format_exc(limit=-3)
    if case.refused:
        return f"read, but should be refused with {case.refused}"
    if case.note not in "\n".join(info.notes) or any("\n" in note for note in info.notes):
        return f"no note {case.note!r} in {info.notes}"
    return judge_splits(case, info, data)


def judge_refusal(case: Case, line: str) -> str:
    if not case.refused:
        return f"refused: {line}"
    absent = [text for text in case.refused if not any(choice in line for choice in text.split("|"))]
    if absent or not line.isprintable() or ":" not in line:
        return f"refused without {absent or 'a printable line'}: {line!r}"
    return "refused"


def judge_splits(case: Case, info, data) -> str:
    """Compare pixels, labels and counts of all parts with those of the case."""
    parts = {"train": data.train, "heldout": data.heldout, "test": data.test}
    labels = {name: part.labels.tolist() for name, part in parts.items()}
    read_images = {
        name: [
            (pixels.transpose(1, 2, 0), label) for pixels, label in zip(part.images.numpy(), labels[name], strict=True)
        ]
        for name, part in parts.items()
    }
    counts = tuple(Counter(split) for split in (labels["train"] + labels["heldout"], labels["test"]))
    described = tuple(Counter(dict(enumerate(counts))) for counts in info.class_counts)
    if counts != described:
        return f"images per class {counts}, described as {described}"
    train, test = read_images["train"] + read_images["heldout"], read_images["test"]
    expected = [(case.train, train), (case.test, test)] if case.test else [(case.train, train + test)]
    if not all(equal(a, b, case.tolerance) for a, b in expected):
        return "other pixels or labels than those written"
    absent = {name: set(range(info.classes)) - set(part) for name, part in labels.items()}
    if any(
        absent["train"],
    ) or (case.every_class_everywhere and any(absent.values())):
        return f"classes that a part lacks: {absent}"
    return "fine"


def equal(expected: list, images: list, tolerance: int) -> bool:
    """Whether both hold the same labelled images, in any order; lossy ones within a tolerance of their one colour."""
    if len(expected) != len(images):
        return False
    if not tolerance:
        return Counter((x.tobytes(), y) for x, y in expected) == Counter((x.tobytes(), y) for x, y in images)
    left = list(images)
    for pixels, label in expected:
        match = next(
            (i for i, (x, y) in enumerate(left) if y == label and np.abs(x - pixels.astype(int)).max() <= tolerance),
            None,
        )
        if match is None:
            return False
        del left[match]
    return True


if __name__ == "__main__":
    result = torture(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
    print(*result.pop("failures"), result, sep="\n")
    sys.exit(result["failed"] > 0)
