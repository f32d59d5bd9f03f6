"""The tree of a data folder: what it holds to a fixed depth, and an account of every file that was not read."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.data.dataset_types import DataError, printable

MAX_DEPTH = 4  # path/train/class/images/file is the deepest layout that is read
MAX_FOLDERS, MAX_FILES = 50_000, 2_000_000  # listed in a few seconds; more is a disk, not a data set
EXAMPLES = 3  # names per reason in the account


class Folder:
    """A folder and the folders in it, read once.

    `files` are regular files or links to them; `odd` maps each other entry to the reason why it is not read: hidden
    ones, pipes, sockets, devices, broken links, links to a folder above, folders deeper than MAX_DEPTH.
    """

    def __init__(self, path: Path, above: tuple[tuple[int, int], ...] = (), listed: list[int] | None = None):
        self.path = path
        self.listed = [0, 0] if listed is None else listed  # folders and entries of the whole tree so far
        self.files: list[Path] = []
        self.folders: list[Folder] = []
        self.odd: dict[Path, str] = {}
        try:
            stat = path.stat()
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{path} cannot be listed ({error.strerror}): give read access, or move it away") from error
        above = (*above, (stat.st_dev, stat.st_ino))
        self.listed[0] += 1
        self.listed[1] += len(entries)
        if self.listed[0] > MAX_FOLDERS or self.listed[1] > MAX_FILES:
            limit = f"{MAX_FOLDERS:,} folders or {MAX_FILES:,} files"
            raise DataError(f"{path} and the folders beside it are more than {limit}: give the folder of one data set")
        for entry in entries:
            self._add(entry, above)

    def _add(self, entry: os.DirEntry, above: tuple[tuple[int, int], ...]) -> None:
        child = self.path / entry.name
        try:
            if entry.name.startswith("."):
                self.odd[child] = "hidden"
            elif entry.is_file():
                self.files.append(child)
            elif not entry.is_dir():
                self.odd[child] = "neither file nor folder" if child.exists() else "broken link"
            elif ((stat := entry.stat()).st_dev, stat.st_ino) in above:
                self.odd[child] = "link to a folder above"
            elif len(above) >= MAX_DEPTH:
                self.odd[child] = "deeper than any layout that is read"
            else:
                self.folders.append(Folder(child, above, self.listed))
        except OSError:  # a link to itself
            self.odd[child] = "broken link"

    @property
    def name(self) -> str:
        return self.path.name

    def folder(self, *names: str) -> "Folder | None":
        """The only folder with one of these names, whatever their case. Raises DataError if there are several."""
        matches = [folder for folder in self.folders if folder.name.lower() in names]
        if len(matches) > 1:
            raise DataError(f"{matches[0].path} and {matches[1].name} are one split: merge them, or move one away")
        return matches[0] if matches else None

    def walk(self) -> Iterator["Folder"]:
        """Yield this folder and all folders in it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def all_files(self) -> list[Path]:
        return [file for folder in self.walk() for file in folder.files]


def account(root: Folder, read: set[Path], reasons: Mapping[Path, str]) -> str:
    """One line on every entry of the tree that is not in `read`: how many for which reason, with examples; "" if none.

    `reasons` maps files, or folders with all that is in them, to a reason; other files are "no data by their names".
    """
    left_out: dict[str, list[str]] = {}

    def add(path: Path, reason: str) -> None:
        left_out.setdefault(reason, []).append(str(path.relative_to(root.path)))

    def visit(folder: Folder, given: str | None) -> None:
        given = reasons.get(folder.path, given)
        for path, reason in folder.odd.items():
            add(path, reason)
        for file in folder.files:
            if file not in read:
                add(file, reasons.get(file) or given or "no data by their names")
        for child in folder.folders:
            visit(child, given)

    visit(root, None)
    parts = [
        f"{len(names):,} {reason} ({', '.join(names[:EXAMPLES])}{', …' if len(names) > EXAMPLES else ''})"
        for reason, names in left_out.items()
    ]
    return printable(f"{root.path}: left out: {'; '.join(parts)}") if parts else ""
