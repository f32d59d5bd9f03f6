"""Downloads the official archives, only when asked for: mirrors in turn, resumed where it broke, the MD5 decides."""

from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from rich.console import Console

from bench.data import official
from bench.data.cache import locked
from bench.data.progress import progress, say
from bench.data.words import DataError

ATTEMPTS = 3  # at each address; every one goes on where the last one broke
TIMEOUT = (10, 60)  # seconds to connect, and without a byte
CHUNK = 1 << 18


class _Unfit(Exception):
    """This address has not the file: another attempt there would not help."""


def fetch(name: str, root: Path, console: Console | None = None) -> list[Path]:
    """The archives of an official data set in `root`, downloaded unless they are there already.

    Raises DataError for a name without archives, for a file that is there but wrong, if no address gives the official
    file (the message lists what was tried), and if `root` cannot be written.
    """
    if name not in official.URLS:
        nothing = "needs no download" if name == "digits" else "has no archive known here"
        raise DataError(f"{name} {nothing}: fetch one of {', '.join(official.URLS)}")
    console = console or Console(stderr=True)
    try:
        root.mkdir(parents=True, exist_ok=True)
        return [_fetch_file(name, file, root, console) for file in official.URLS[name]]
    except OSError as error:
        raise DataError(f"cannot write into {root} ({error.strerror or error}): free it, or choose another") from error


def _fetch_file(name: str, file: str, root: Path, console: Console) -> Path:
    target = root / file
    with locked(root / f".{file}.lock"):  # a second fetch waits, then finds the file
        if target.exists():
            official.verify(name, target)
            say(console, f"{target} is there and its MD5 is right")
            return target
        part = target.with_name(f"{file}.part")
        _download(name, file, part, console)
        part.rename(target)
    say(console, f"{target}: MD5 is right")
    return target


def _download(name: str, file: str, part: Path, console: Console) -> None:
    """Fills `part` from the first address that gives the official file; raises DataError if none does."""
    tried = []
    for url in official.URLS[name][file]:
        for _ in range(ATTEMPTS):
            resumed = _size(part) > 0
            try:
                if _size(part) != official.SIZES[file]:
                    _receive(url, part, official.SIZES[file], console)
            except _Unfit as reason:
                tried.append(f"{url} ({reason})")
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                tried.append(f"{url} ({_reason(error)})")
                continue
            if official.md5(part) == official.CHECKSUMS[file]:
                return
            part.unlink()
            tried.append(f"{url} (wrong MD5)")
            if not resumed:  # all bytes came from here; after a resumed download the earlier ones may be to blame
                break
    raise DataError(
        f"{file} could not be had from {'; '.join(dict.fromkeys(tried))}: "
        f"run python -m bench data fetch {name} again (it goes on where it broke), or put the file into {part.parent}"
    )


def _receive(url: str, part: Path, size: int, console: Console) -> None:
    """Appends to `part` what is missing of `size` bytes, or fills it from the start if the server ignores Range."""
    have = _size(part)
    if have > size:
        part.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 200:
            have = 0
        elif response.status_code != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _Unfit(f"HTTP {response.status_code}")
        coming = response.headers.get("Content-Length", "")
        if coming.isdigit() and have + int(coming) != size:
            raise _Unfit(f"{have + int(coming)} bytes instead of {size}")
        with part.open("ab" if have else "wb") as handle, _shown(console, url, have, size) as advance:
            # raw, because requests would unpack a .gz that a server labels as Content-Encoding
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                handle.write(chunk)
                advance(len(chunk))
                if handle.tell() > size:  # a server that does not say how much it sends must not fill the disk
                    raise _Unfit(f"more than {size} bytes")
    if _size(part) < size:
        raise requests.ConnectionError(f"connection ended at {_size(part)} of {size} bytes")


def _shown(console: Console, url: str, have: int, size: int):
    place = urlsplit(url)
    return progress(console, f"{Path(place.path).name} from {place.hostname}", have, size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """A network error in a few words: the innermost cause, since the outer ones only wrap it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no details'}"
