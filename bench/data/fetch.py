"""Download official archives, for the command `data fetch`: several mirrors, resume, MD5 check."""

from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from rich.console import Console

from bench.data.cache import exclusive_lock
from bench.data.dataset_types import DataError
from bench.data.download_progress import print_line, show_progress
from bench.data.official_archives import OFFICIAL_DATASETS, md5, verify

ATTEMPTS = 3  # per address; each one resumes where the last one stopped
TIMEOUT = (10, 60)  # seconds to connect, and between bytes
CHUNK = 1 << 18  # bytes


class _WrongFile(Exception):
    """This address does not serve the file: another attempt there would not help."""


def fetch(name: str, root: Path, console: Console | None = None) -> list[Path]:
    """Download the archives of an official dataset into `root`, except those already there; returns their paths.

    Raises DataError for a name without archives, for an existing file with another MD5, if no address serves the
    official file (the message lists every address that was tried), and if `root` cannot be written.
    """
    if name not in OFFICIAL_DATASETS:
        embedded = name in ("digits", "fashion-mnist-8k")
        problem = "needs no download" if embedded else "is not an official data set"
        raise DataError(f"{name} {problem}: fetch one of {', '.join(OFFICIAL_DATASETS)}")
    console, folder = console or Console(stderr=True), root / OFFICIAL_DATASETS[name].folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_fetch_file(name, file, folder, console) for file in OFFICIAL_DATASETS[name].archives]
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"cannot write into {folder} ({reason}): make it writable, or choose another folder") from error


def _fetch_file(name: str, file: str, folder: Path, console: Console) -> Path:
    target = folder / file
    with exclusive_lock(folder / f".{file}.lock"):  # a second process waits here, then finds the file
        if target.exists():
            verify(name, target)
            print_line(console, f"{target} exists, MD5 correct")
            return target
        part = target.with_name(f"{file}.part")
        _download(name, file, part, console)
        part.rename(target)
    print_line(console, f"{target}: MD5 correct")
    return target


def _download(name: str, file: str, part: Path, console: Console) -> None:
    """Fill `part` from the first address that serves the official file. Raises DataError if none does."""
    archive = OFFICIAL_DATASETS[name].archives[file]
    failures = []
    for url in archive.urls:
        for _ in range(ATTEMPTS):
            resumed = _size(part) > 0
            try:
                if _size(part) != archive.size:
                    _receive(url, part, archive.size, console)
            except _WrongFile as reason:
                failures.append(f"{url} ({reason})")
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                failures.append(f"{url} ({_innermost_reason(error)})")
                continue
            if md5(part) == archive.md5:
                return
            part.unlink()
            failures.append(f"{url} (wrong MD5)")
            if not resumed:  # all bytes came from this address; after a resume, the earlier bytes may be wrong
                break
    raise DataError(
        f"{file} could not be downloaded from {'; '.join(dict.fromkeys(failures))}: "
        f"run python -m bench data fetch {name} again (it resumes), or put the file into {part.parent}"
    )


def _receive(url: str, part: Path, size: int, console: Console) -> None:
    """Append the missing bytes to `part`, or write it from the start if the server ignores Range."""
    start = _size(part)
    if start > size:
        part.unlink()
        start = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 200:
            start = 0
        elif response.status_code != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _WrongFile(f"HTTP {response.status_code}")
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and start + int(length) != size:
            raise _WrongFile(f"{start + int(length)} bytes instead of {size}")
        label = f"{Path(urlsplit(url).path).name} from {urlsplit(url).hostname}"
        with part.open("ab" if start else "wb") as handle, show_progress(console, label, start, size) as advance:
            # raw, because requests would decompress a .gz file that a server labels with Content-Encoding
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                handle.write(chunk)
                advance(len(chunk))
                if handle.tell() > size:  # a server that sends no Content-Length must not fill the disk
                    raise _WrongFile(f"more than {size} bytes")
    if _size(part) < size:
        raise requests.ConnectionError(f"connection ended at {_size(part)} of {size} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _innermost_reason(error: Exception) -> str:
    """First line of the innermost cause of a network error; the outer errors only wrap it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no details'}"
