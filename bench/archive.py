"""Archive of plans and results: all that a report is drawn from, small enough to keep beside it, and with the weights
all that another runs directory takes over.

`python -m bench report --archive FILE` and `export` write one, `report --from FILE` draws from it, and `import` adds it
to a runs directory. A tar file, compressed by xz, gzip or Zstandard as its name says; the same runs give the same
bytes. Each trial has its manifest, cut down to the files that are in the archive.
"""

import dataclasses
import gzip
import io
import lzma
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from bench import trial_manifest
from bench.atomic_write import json_text, replacing
from bench.damaged_files import SEAL, checksum_of
from bench.disk_full import is_disk_full
from bench.errors import BadInput
from bench.stored_plans import file_name, plan_files, read_plan, without_runs
from bench.trial_dir import is_sound, undamaged

RESULTS = r"recipe\.json|results\.json|failure\.json|saliency-[0-9a-f]{16}\.safetensors"  # of a trial
WEIGHTS = r"weights[A-Za-z0-9_@.+-]*\.safetensors"
TRAINING = rf"progress\.jsonl|{WEIGHTS}"  # of a trial, in an archive with weights
TRIAL = rf"trials/[0-9a-f]{{16}}/(?:manifest\.json|{RESULTS}|{TRAINING})"
MEMBER = re.compile(rf"plans/[A-Za-z0-9][A-Za-z0-9._-]*\.json|{TRIAL}")
MAX_FILE, MAX_TOTAL, MAX_MEMBERS = 64 << 20, 512 << 20, 100_000  # bytes of a file and of all, number of files
MAX_WEIGHTS, MAX_ALL_WEIGHTS = 2 << 30, 64 << 30  # bytes of a file of weights and of all, beside MAX_TOTAL
BLOCK = 1 << 20
# Raised by a damaged file; RecursionError by tarfile, where many extended headers follow one another.
BROKEN = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, RecursionError)


@contextmanager
def open_gzip(path: Path, mode: str) -> Iterator[BinaryIO]:
    with io.FileIO(path, mode) as file, gzip.GzipFile("", mode, 9, file, mtime=0) as stream:
        yield stream


def open_xz(path: Path, mode: str) -> AbstractContextManager[BinaryIO]:
    return lzma.open(path, mode, preset=9 if mode == "wb" else None)


def open_zstd(path: Path, mode: str) -> AbstractContextManager[BinaryIO]:
    import pyarrow  # slow to import

    return (pyarrow.CompressedOutputStream if mode == "wb" else pyarrow.CompressedInputStream)(str(path), "zstd")


COMPRESSIONS = {".tar.xz": open_xz, ".tar.gz": open_gzip, ".tar.zst": open_zstd}


def compression(path: Path) -> Callable[[Path, str], AbstractContextManager[BinaryIO]]:
    """(path, "rb" or "wb") → stream of the uncompressed bytes of a file, by its name. Raises BadInput."""
    for suffix, opener in COMPRESSIONS.items():
        if path.name.endswith(suffix):
            return opener
    raise BadInput(f"{path}: the name of an archive ends in {' or '.join(COMPRESSIONS)}")


def write(path: Path, contents: dict[str, bytes | Path]) -> Path:
    """Write an archive. contents: of `members`. Raises BadInput for a name that no archive can hold."""
    open_stream = compression(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(path) as temporary,
        open_stream(temporary, "wb") as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in sorted(contents.items()):
            if not MEMBER.fullmatch(name):
                raise BadInput(f"an archive cannot hold a file of the name {name}")
            entry = tarfile.TarInfo(name)  # no owner, no time
            with io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb") as file:
                entry.size = file.seek(0, io.SEEK_END)  # of the open file, which a run may replace
                file.seek(0)
                archive.addfile(entry, file)
    return path


def members(
    runs: Path,
    scales: Collection[str],
    chosen: Sequence[str] = (),
    figures: Collection[str] = (),
    weights: bool = False,
) -> dict[str, bytes | Path]:
    """Plans of these scales and results of every network in them: name in the archive → content, or the file that has
    it. Raises BadInput.

    chosen: see `plan_files`. figures: of the plans, the panels of these figures alone; empty: all. weights: of each
    network too.
    """
    plans = {}
    for file in plan_files(runs, chosen):
        plan = undamaged(read_plan, file)
        panels = [p for p in plan["panels"] if not figures or {*p["figures"]} & {*figures}] if plan else []
        if panels and plan["scale"] in scales:
            part = without_runs(plan) | {"panels": panels}
            plans[file.name if panels == plan["panels"] else file_name(part)] = part
    contents: dict[str, bytes | Path] = {
        f"plans/{name}": json_text(plan | {SEAL: checksum_of(plan)}).encode() for name, plan in plans.items()
    }
    for key in {trial["key"] for plan in plans.values() for panel in plan["panels"] for trial in panel["trials"]}:
        contents |= trial_members(runs / "trials" / key, weights)
    return contents


def trial_members(directory: Path, weights: bool) -> dict[str, bytes | Path]:
    """As `members`, of a trial; none where nothing is measured, trained or failed yet. Damaged weights are left out."""
    pattern = re.compile(f"{RESULTS}|{TRAINING}" if weights else RESULTS)
    files = {file.name: file for file in directory.glob("*") if pattern.fullmatch(file.name) and file.is_file()}
    files = {name: file for name, file in files.items() if not is_weights(name) or is_sound(directory, name)}
    if not files.keys() - {"recipe.json", "progress.jsonl"}:
        return {}
    contents: dict[str, bytes | Path] = {f"trials/{directory.name}/{name}": file for name, file in files.items()}
    manifest = trial_manifest.usable(directory)
    if manifest and manifest.is_of_other_weights():
        contents.pop(f"trials/{directory.name}/results.json", None)
    if manifest:
        listed = {name: sums for name, sums in manifest.files.items() if name in files}
        text = trial_manifest.manifest_text(dataclasses.replace(manifest, files=listed))
        contents[f"trials/{directory.name}/{trial_manifest.NAME}"] = text.encode()
    return contents


@contextmanager
def unpacked(path: Path, weights: bool = False, folder: Path | None = None) -> Iterator[Path]:
    """The archive as a runs directory, as long as the context lasts. Raises BadInput for any other file in it.

    weights: of the networks too, where the archive has them. folder: the directory is made in this one.
    """
    with tempfile.TemporaryDirectory(prefix="oat-bench-", dir=folder) as temporary:
        runs = Path(temporary)
        try:
            with compression(path)(path, "rb") as stream:
                unpack(Limited(stream), runs, weights)
        except Refused as error:
            raise BadInput(f"{path}: {error}") from None
        except FileNotFoundError:
            raise BadInput(f"{path}: no such file") from None
        except BROKEN as error:
            if is_disk_full(error):
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            raise BadInput(f"{path}: not a readable archive of results ({text[:200]})") from None
        yield runs


def opened(path: Path) -> AbstractContextManager[Path]:
    """A runs directory as it is, or an archive unpacked as long as the context lasts. Raises BadInput."""
    if not path.exists():
        raise BadInput(f"{path}: no such runs directory or archive")
    return nullcontext(path.resolve()) if path.is_dir() else unpacked(path)


class Refused(Exception):
    """Something that is not in an archive that `write` wrote."""


class Limited:
    """A stream that refuses to give more than MAX_TOTAL bytes and the weights, whatever the headers in it say."""

    def __init__(self, stream):
        self.stream, self.left, self.weights_left = stream, MAX_TOTAL, MAX_ALL_WEIGHTS

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise Refused(f"more than {MAX_TOTAL >> 20} MiB: refused")
        return content

    def allow(self, weights: int) -> None:
        """Give that many bytes of weights beside MAX_TOTAL."""
        self.weights_left -= weights
        if self.weights_left < 0:
            raise Refused(f"more than {MAX_ALL_WEIGHTS >> 30} GiB of weights: refused")
        self.left += weights


def unpack(stream: Limited, runs: Path, weights: bool = False) -> None:
    """Write the plans and results in a tar stream to a directory, and the weights if asked for. Raises Refused before
    any other file is written."""
    seen: set[str] = set()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            check(entry, seen)
            seen.add(entry.name)
            if is_weights(entry.name):
                stream.allow(entry.size)
                if not weights:
                    continue
            target = runs / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(entry)
            with open(target, "xb") as file:
                while block := content.read(BLOCK):
                    file.write(block)
    if not any(name.startswith("plans/") for name in seen):
        raise Refused("no plan in it")


def check(entry: tarfile.TarInfo, seen: set[str]) -> None:
    """Refuse all but plain files with the names of plans and results, each once and not too large."""
    name = ascii(entry.name[:100])
    if not entry.isreg() or entry.issparse():
        raise Refused(f"{name} is no plain file: refused")
    if not MEMBER.fullmatch(entry.name):
        raise Refused(f"{name} is neither a plan nor a result: refused")
    if entry.name in seen:
        raise Refused(f"{name} is in it twice: refused")
    most = MAX_WEIGHTS if is_weights(entry.name) else MAX_FILE
    if entry.size > most:
        raise Refused(f"{name} has more than {most >> 20} MiB: refused")
    if len(seen) >= MAX_MEMBERS:
        raise Refused(f"more than {MAX_MEMBERS:,} files: refused")


def is_weights(name: str) -> bool:
    return bool(re.fullmatch(WEIGHTS, Path(name).name))
