"""Archive of plans and results without weights: all that a report is drawn from, small enough to keep beside it.

`python -m bench report --archive FILE` writes one, `report --from FILE` draws from it. A tar file, compressed by xz or
gzip as its name says; the same runs give the same bytes.
"""

import gzip
import io
import lzma
import re
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from bench.atomic_write import json_text
from bench.damaged_files import SEAL, checksum_of, read_sealed
from bench.errors import BadInput
from reports.load.plans import plan_files, read_plans, without_runs

COMPRESSIONS = {".tar.xz": lzma, ".tar.gz": gzip}
FILES = r"results\.json|failure\.json|saliency-[0-9a-f]{16}\.safetensors"  # of a trial, that reports read
MEMBER = re.compile(rf"plans/[A-Za-z0-9][A-Za-z0-9._-]*\.json|trials/[0-9a-f]{{16}}/(?:{FILES})")
MAX_FILE, MAX_TOTAL, MAX_MEMBERS = 64 << 20, 512 << 20, 100_000  # bytes of a file and of all, number of files
BLOCK = 1 << 20
BROKEN = (
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
)  # raised while a damaged file is read


def compression(path: Path):
    """The module that compresses the file, by its name. Raises BadInput."""
    for suffix, module in COMPRESSIONS.items():
        if path.name.endswith(suffix):
            return module
    raise BadInput(f"{path}: the name of an archive ends in {' or '.join(COMPRESSIONS)}")


def pack(runs: Path, scales: Collection[str], path: Path, chosen: Sequence[str] = ()) -> Path:
    """Write the plans of these scales, and the results of every network in them, to an archive. Raises BadInput.

    chosen: see plans.read_plans.
    """
    module = compression(path)
    names = sorted(members(runs, scales, chosen))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in names:
            if not MEMBER.fullmatch(name):
                raise BadInput(f"{runs / name}: an archive cannot hold a file of this name")
            content = content_of(runs / name)
            entry = tarfile.TarInfo(name)  # no owner, no time
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    data = tar.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(data, preset=9) if module is lzma else gzip.compress(data, 9, mtime=0))
    return path


def content_of(path: Path) -> bytes:
    """Content of a file for the archive: a plan's command without --runs, which is a path on one machine."""
    content = path.read_bytes()
    plan = read_sealed(path) if path.parent.name == "plans" else None
    if not plan or without_runs(plan["command"]) == plan["command"]:
        return content
    plan["command"] = without_runs(plan["command"])
    return json_text(plan | {SEAL: checksum_of(plan)}).encode()


def members(runs: Path, scales: Collection[str], chosen: Sequence[str] = ()) -> set[str]:
    """Paths in `runs` of the plans of these scales and of the files that reports read of their networks."""
    keys, names = set(), set()
    for file in plan_files(runs, chosen):
        for plan in read_plans(runs, [file.name])[0]:
            if plan["scale"] in scales:
                names.add(f"plans/{file.name}")
                keys |= {trial["key"] for panel in plan["panels"] for trial in panel["trials"]}
    files = (file for key in keys for file in (runs / "trials" / key).glob("*") if re.fullmatch(FILES, file.name))
    return names | {file.relative_to(runs).as_posix() for file in files}


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The archive as a runs directory, as long as the context lasts. Raises BadInput for any other file in it."""
    with tempfile.TemporaryDirectory(prefix="oat-bench-") as folder:
        runs = Path(folder)
        try:
            with compression(path).open(path) as stream:
                unpack(Limited(stream), runs)
        except Refused as error:
            raise BadInput(f"{path}: {error}") from None
        except FileNotFoundError:
            raise BadInput(f"{path}: no such file") from None
        except BROKEN as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise BadInput(f"{path}: not a readable archive of results ({text[:200]})") from None
        yield runs


def opened(path: Path) -> AbstractContextManager[Path]:
    """A runs directory as it is, or an archive unpacked as long as the context lasts. Raises BadInput."""
    if not path.exists():
        raise BadInput(f"{path}: no such runs directory or archive")
    return nullcontext(path.resolve()) if path.is_dir() else unpacked(path)


class Refused(Exception):
    """Something that is not in an archive that `pack` wrote."""


class Limited:
    """A stream that refuses to give more than MAX_TOTAL bytes, whatever the headers in it say."""

    def __init__(self, stream):
        self.stream, self.left = stream, MAX_TOTAL

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise Refused(f"more than {MAX_TOTAL >> 20} MiB: refused")
        return content


def unpack(stream: Limited, runs: Path) -> None:
    """Write the plans and results in a tar stream to a directory. Raises Refused before any other file is written."""
    seen: set[str] = set()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            check(entry, seen)
            seen.add(entry.name)
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
    if entry.size > MAX_FILE:
        raise Refused(f"{name} has more than {MAX_FILE >> 20} MiB: refused")
    if len(seen) >= MAX_MEMBERS:
        raise Refused(f"more than {MAX_MEMBERS:,} files: refused")
