"""Which Parquet files of a folder are the shards of which split, as the Hugging Face hub lays them out.

Layouts: `train-00000-of-00002.parquet` in the folder or in `data/`, `train.parquet`, and `<config>/train/0000.parquet`.
"""

import re
from collections import Counter
from pathlib import Path

from bench.data import parquet
from bench.data.dataset_types import Columns, DataError, LocalFiles
from bench.data.folder_listing import Folder
from bench.data.split_names import split_of

SHARD = re.compile(r"(?P<base>.*?)(?:[-_.]?(?P<index>\d+)(?:-of-(?P<total>\d+)(?:-[0-9a-f]+)?)?)?")


def find(root: Folder, columns: Columns) -> LocalFiles | None:
    """List the shards of `train` and `test`. None if the folder has no Parquet file of a training split.

    Raises DataError if a shard is missing or there twice, or if the folder has several data sets or no test split.
    """
    shards, reasons = {"train": [], "test": [], "validation": []}, {}
    for file in root.all_files():
        if file.suffix.lower() == ".parquet":
            split = _split_of_file(file, root.path)
            if split:
                shards[split].append(file)
            else:
                reasons[file] = "Parquet with a name that is no split's"
    if not shards["train"]:
        return None
    _check_one_dataset([file for files in shards.values() for file in files], root.path)
    for files in shards.values():
        _check_complete(files)
    test = "test" if shards["test"] else "validation"
    if shards["test"] and shards["validation"]:
        unlabelled = not parquet.has_labels(shards["test"], columns)
        test = "validation" if unlabelled else "test"
        other, reason = ("test", "without labels") if unlabelled else ("validation", "of another split")
        reasons |= dict.fromkeys(shards[other], reason)
    if not shards[test]:
        raise DataError(
            f"{root.path} has train*.parquet, but no test*.parquet or validation*.parquet: add the test split, or give "
            "a single Parquet file, of which a fifth is then the test split"
        )
    return LocalFiles({"train": shards["train"], "test": shards[test]}, reasons=reasons)


def names_of_parquet_files(root: Folder) -> list[str]:
    """Names of all Parquet files in a folder, relative to it."""
    return [str(file.relative_to(root.path)) for file in root.all_files() if file.suffix.lower() == ".parquet"]


def _split_of_file(file: Path, root: Path) -> str | None:
    """The split of a shard: that of the name before its number, or of the folder that it is in."""
    return split_of(SHARD.fullmatch(file.stem)["base"]) or (split_of(file.parent.name) if file.parent != root else None)


def _check_one_dataset(files: list[Path], root: Path) -> None:
    """Raise DataError if the files are of several configurations, which have a folder each."""
    folders = {file.parent for file in files}
    configs = sorted({str((p.parent if p != root and split_of(p.name) else p).relative_to(root)) for p in folders})
    if len(configs) > 1:
        raise DataError(
            f"{root} has several data sets, in the folders {', '.join(configs[:5])}: give the path of one of them"
        )


def _check_complete(shards: list[Path]) -> None:
    """Raise DataError unless each shard of a split is there once, as far as the names say how many there are."""
    parts = [(SHARD.fullmatch(file.stem), file) for file in shards]
    kinds = {(match["base"], match["total"], match["index"] is None): file for match, file in parts}
    if len(kinds) > 1 or (len(shards) > 1 and parts[0][0]["index"] is None):
        first, second = (list(kinds.values()) if len(kinds) > 1 else shards)[:2]
        raise DataError(f"{first} and {second.name} are not numbered as shards of one split: remove one of them")
    counts = Counter(int(match["index"]) for match, _ in parts if match["index"])
    double = next((index for index, count in counts.items() if count > 1), None)
    if double is not None:
        same = [file for match, file in parts if int(match["index"]) == double]
        raise DataError(f"{same[0]} and {same[1].name} are both shard {double}: remove the older one")
    if not counts:
        return
    named_only = not parts[0][0]["base"]  # 0000.parquet, 0001.parquet, … of the hub's conversion: without a total
    expected = int(parts[0][0]["total"] or (max(counts) + 1 if named_only else 0))
    missing = sorted(set(range(min(expected, len(shards) + 1))) - set(counts))
    if missing or (expected and max(counts) >= expected):
        lacking = f"shard {missing[0]} of {expected}" if missing else f"shards up to {expected - 1} only"
        raise DataError(f"{shards[0].parent} lacks {lacking}, beside {shards[0].name}: download all files of the split")
