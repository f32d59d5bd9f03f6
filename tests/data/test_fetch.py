"""Download from an HTTP server on 127.0.0.1 that can cut the connection, ignore Range, or send another file."""

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from bench.data import DataError
from bench.data import fetch as fetch_module
from bench.data.fetch import fetch
from tests.data.archive_patches import patch_archive

FILE = "cifar-10-python.tar.gz"
BYTES = bytes(range(256)) * 4000  # 1 MB
OTHER = BYTES[::-1]


@dataclass
class Server:
    """An HTTP server: the behaviour of each path, and the requests it received as (path, Range header)."""

    url: str
    behaviour: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def __call__(self, monkeypatch, **behaviour: str) -> None:
        """Set the archive's addresses, tried in this order, one for each keyword and its behaviour."""
        self.behaviour = behaviour
        patch_archive(monkeypatch, FILE, urls=tuple(f"{self.url}/{path}" for path in behaviour))


def respond(request: BaseHTTPRequestHandler, behaviour: str, start: int) -> None:
    status = {"absent": 404, "busy": 503}.get(behaviour)
    if status:
        request.send_error(status)
        return
    content = {"other": OTHER, "page": b"<html>log in here</html>", "endless": BYTES + BYTES}.get(behaviour, BYTES)
    ranged = start > 0 and behaviour not in ("no-range", "other", "page", "endless")
    body = content[start:] if ranged else content
    request.send_response(206 if ranged else 200)
    if ranged:
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if behaviour == "labelled-gzip":
        request.send_header("Content-Encoding", "x-gzip")
    if behaviour not in ("unsized", "endless"):
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    cut = {"cuts": 300_000, "cuts-to-nothing": 0}.get(behaviour, len(body))
    request.wfile.write(body[:cut])


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            byte_range = self.headers.get("Range")
            server.requests.append((self.path[1:], byte_range))
            start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range else 0
            respond(self, server.behaviour[self.path[1:]], start)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    server = Server(f"http://127.0.0.1:{http.server_port}")
    patch_archive(monkeypatch, FILE, md5=hashlib.md5(BYTES, usedforsecurity=False).hexdigest(), size=len(BYTES))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    http.shutdown()
    http.server_close()


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def is_complete(root) -> bool:
    return (root / FILE).read_bytes() == BYTES and not (root / f"{FILE}.part").exists()


def test_a_file_is_downloaded_once(tmp_path, server, console, monkeypatch):
    server(monkeypatch, good="good")
    assert fetch("cifar10", tmp_path / "data", console) == [tmp_path / "data" / FILE]
    assert is_complete(tmp_path / "data")
    fetch("cifar10", tmp_path / "data", console)
    assert server.requests == [("good", None)]
    output = console.file.getvalue()
    assert f"{FILE}: MD5 correct" in output and f"{FILE} exists, MD5 correct" in output
    assert "1.0 MB of 1.0 MB" in output and "B/s, 0.0 s left" in output  # plain lines without a terminal


def test_a_cut_connection_is_resumed(tmp_path, server, console, monkeypatch):
    server(monkeypatch, cuts="cuts", good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path)
    assert server.requests == [
        ("cuts", None),
        ("cuts", "bytes=300000-"),
        ("cuts", "bytes=600000-"),
        ("good", "bytes=900000-"),
    ]


def test_a_part_file_of_an_earlier_run_is_resumed(tmp_path, server, console, monkeypatch):
    (tmp_path / f"{FILE}.part").write_bytes(BYTES[:123_456])
    server(monkeypatch, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.requests == [("good", "bytes=123456-")]


def test_without_range_support_the_download_starts_again(tmp_path, server, console, monkeypatch):
    (tmp_path / f"{FILE}.part").write_bytes(BYTES[:123_456])
    server(monkeypatch, plain="no-range")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.requests == [("plain", "bytes=123456-")]


def test_a_complete_part_file_needs_no_request(tmp_path, server, console, monkeypatch):
    (tmp_path / f"{FILE}.part").write_bytes(BYTES)
    server(monkeypatch, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.requests == []


@pytest.mark.parametrize("content", [OTHER[:123_456], OTHER, BYTES + b"more"])
def test_a_wrong_part_file_is_deleted(tmp_path, server, console, monkeypatch, content):
    (tmp_path / f"{FILE}.part").write_bytes(content)
    server(monkeypatch, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.requests[-1] == ("good", None)


@pytest.mark.parametrize("bad", ["absent", "busy", "other", "page", "cuts-to-nothing", "endless"])
def test_the_next_mirror_is_tried(tmp_path, server, console, monkeypatch, bad):
    server(monkeypatch, bad=bad, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.requests[-1][0] == "good"


@pytest.mark.parametrize("behaviour", ["unsized", "labelled-gzip"])
def test_unusual_headers_are_accepted(tmp_path, server, console, monkeypatch, behaviour):
    server(monkeypatch, unusual=behaviour)
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path)


def test_if_no_address_serves_the_file_the_message_lists_them_all(tmp_path, server, console, monkeypatch):
    server(monkeypatch, wrong="other", gone="absent", page="page", cut="cuts-to-nothing")
    with pytest.raises(DataError) as refusal:
        fetch("cifar10", tmp_path, console)
    message = str(refusal.value)
    assert "\n" not in message and "run python -m bench data fetch cifar10" in message
    assert f"{server.url}/wrong (wrong MD5)" in message and f"{server.url}/gone (HTTP 404)" in message
    assert "page (24 bytes instead of 1024000)" in message and f"{server.url}/cut (" in message
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "http://nowhere.invalid/x", "nonsense", "http://[/x"])
def test_network_errors_become_one_line(tmp_path, server, console, monkeypatch, address):
    patch_archive(monkeypatch, FILE, urls=(address,))
    with pytest.raises(DataError) as refusal:
        fetch("cifar10", tmp_path, console)
    assert address in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_wrong_file_is_refused_and_not_changed(tmp_path, server, console, monkeypatch):
    (tmp_path / FILE).write_bytes(OTHER)
    server(monkeypatch, good="good")
    with pytest.raises(
        DataError, match="not the official file .* delete it and run python -m bench data fetch cifar10"
    ):
        fetch("cifar10", tmp_path, console)
    assert (tmp_path / FILE).read_bytes() == OTHER and server.requests == []


def test_concurrent_fetches_download_once(tmp_path, server, console, monkeypatch):
    server(monkeypatch, good="good")
    threads = [threading.Thread(target=fetch, args=("cifar10", tmp_path, console)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert is_complete(tmp_path) and server.requests == [("good", None)]


def test_names_without_archives_are_refused(tmp_path):
    with pytest.raises(DataError, match="digits needs no download: fetch one of cifar10, svhn, stl10"):
        fetch("digits", tmp_path)
    with pytest.raises(DataError, match="mnist is not an official data set"):
        fetch("mnist", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("a file instead of a folder")
    with pytest.raises(DataError, match="cannot write into"):
        fetch("cifar10", tmp_path / "file")


def test_a_terminal_shows_a_progress_bar(tmp_path, server, monkeypatch):
    server(monkeypatch, good="good")
    monkeypatch.setattr(fetch_module, "CHUNK", 1 << 16)
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    fetch("cifar10", tmp_path, terminal)
    assert "━" in terminal.file.getvalue() and "1.0/1.0 MB" in terminal.file.getvalue()
