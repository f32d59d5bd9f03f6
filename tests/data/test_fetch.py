"""Downloads from a real HTTP server on 127.0.0.1 that can cut the connection, ignore Range, or send something else."""

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from bench.data import DataError, official
from bench.data import fetch as fetching
from bench.data.fetch import fetch

FILE = "cifar-10-python.tar.gz"
BYTES = bytes(range(256)) * 4000  # 1 MB
OTHER = BYTES[::-1]


@dataclass
class Server:
    """What each path of the server does, and what was asked of it: (path, Range header)."""

    url: str
    behaviour: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def __call__(self, monkeypatch, **behaviour: str) -> None:
        """Offers the file at one address for each keyword, tried in this order."""
        self.behaviour = behaviour
        monkeypatch.setitem(official.URLS, "cifar10", {FILE: tuple(f"{self.url}/{path}" for path in behaviour)})


def respond(request: BaseHTTPRequestHandler, how: str, start: int) -> None:
    status = {"absent": 404, "busy": 503}.get(how)
    if status:
        request.send_error(status)
        return
    content = {"other": OTHER, "page": b"<html>log in here</html>", "endless": BYTES + BYTES}.get(how, BYTES)
    ranged = start > 0 and how not in ("no-range", "other", "page", "endless")
    body = content[start:] if ranged else content
    request.send_response(206 if ranged else 200)
    if ranged:
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if how == "labelled-gzip":
        request.send_header("Content-Encoding", "x-gzip")
    if how not in ("unsized", "endless"):
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    cut = {"cuts": 300_000, "cuts-to-nothing": 0}.get(how, len(body))
    request.wfile.write(body[:cut])


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append((self.path[1:], wanted))
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            respond(self, state.behaviour[self.path[1:]], start)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    state = Server(f"http://127.0.0.1:{http.server_port}")
    monkeypatch.setitem(official.CHECKSUMS, FILE, hashlib.md5(BYTES, usedforsecurity=False).hexdigest())
    monkeypatch.setitem(official.SIZES, FILE, len(BYTES))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield state
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
    assert server.asked == [("good", None)]
    said = console.file.getvalue()
    assert f"{FILE}: MD5 is right" in said and "is there and its MD5 is right" in said
    assert "1.0 of 1.0 MB" in said and "MB/s, 0 s left" in said  # plain lines where there is no terminal


def test_a_cut_connection_goes_on_where_it_broke(tmp_path, server, console, monkeypatch):
    server(monkeypatch, cuts="cuts", good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path)
    assert server.asked == [
        ("cuts", None),
        ("cuts", "bytes=300000-"),
        ("cuts", "bytes=600000-"),
        ("good", "bytes=900000-"),
    ]


def test_a_part_file_of_an_earlier_run_is_resumed(tmp_path, server, console, monkeypatch):
    (tmp_path / f"{FILE}.part").write_bytes(BYTES[:123_456])
    server(monkeypatch, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.asked == [("good", "bytes=123456-")]


def test_a_server_without_range_starts_again(tmp_path, server, console, monkeypatch):
    (tmp_path / f"{FILE}.part").write_bytes(BYTES[:123_456])
    server(monkeypatch, plain="no-range")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.asked == [("plain", "bytes=123456-")]


def test_a_whole_part_file_needs_no_request(tmp_path, server, console, monkeypatch):
    (tmp_path / f"{FILE}.part").write_bytes(BYTES)
    server(monkeypatch, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.asked == []


@pytest.mark.parametrize("start", [OTHER[:123_456], OTHER, BYTES + b"more"])
def test_a_wrong_part_file_is_thrown_away(tmp_path, server, console, monkeypatch, start):
    (tmp_path / f"{FILE}.part").write_bytes(start)
    server(monkeypatch, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.asked[-1] == ("good", None)


@pytest.mark.parametrize("bad", ["absent", "busy", "other", "page", "cuts-to-nothing", "endless"])
def test_the_next_mirror_is_tried(tmp_path, server, console, monkeypatch, bad):
    server(monkeypatch, bad=bad, good="good")
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path) and server.asked[-1][0] == "good"


@pytest.mark.parametrize("how", ["unsized", "labelled-gzip"])
def test_odd_headers_do_no_harm(tmp_path, server, console, monkeypatch, how):
    server(monkeypatch, odd=how)
    fetch("cifar10", tmp_path, console)
    assert is_complete(tmp_path)


def test_if_no_address_has_it_the_message_lists_them_all(tmp_path, server, console, monkeypatch):
    server(monkeypatch, wrong="other", gone="absent", page="page", cut="cuts-to-nothing")
    with pytest.raises(DataError) as refusal:
        fetch("cifar10", tmp_path, console)
    said = str(refusal.value)
    assert "\n" not in said and "run python -m bench data fetch cifar10" in said
    assert f"{server.url}/wrong (wrong MD5)" in said and f"{server.url}/gone (HTTP 404)" in said
    assert "page (24 bytes instead of 1024000)" in said and f"{server.url}/cut (" in said
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "http://nowhere.invalid/x", "nonsense", "http://[/x"])
def test_network_errors_become_one_line(tmp_path, server, console, monkeypatch, address):
    monkeypatch.setitem(official.URLS, "cifar10", {FILE: (address,)})
    with pytest.raises(DataError) as refusal:
        fetch("cifar10", tmp_path, console)
    assert address in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_wrong_file_is_refused_and_left_alone(tmp_path, server, console, monkeypatch):
    (tmp_path / FILE).write_bytes(OTHER)
    server(monkeypatch, good="good")
    with pytest.raises(
        DataError, match="not the official file .* delete it and run python -m bench data fetch cifar10"
    ):
        fetch("cifar10", tmp_path, console)
    assert (tmp_path / FILE).read_bytes() == OTHER and server.asked == []


def test_two_at_once_download_once(tmp_path, server, console, monkeypatch):
    server(monkeypatch, good="good")
    both = [threading.Thread(target=fetch, args=("cifar10", tmp_path, console)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(30)
    assert is_complete(tmp_path) and server.asked == [("good", None)]


def test_names_without_archives_are_refused(tmp_path):
    with pytest.raises(DataError, match="digits needs no download: fetch one of cifar10, svhn, stl10"):
        fetch("digits", tmp_path)
    with pytest.raises(DataError, match="mnist has no archive known here"):
        fetch("mnist", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write into"):
        fetch("cifar10", tmp_path / "file")


def test_a_terminal_gets_a_bar_with_speed_and_time_left(tmp_path, server, monkeypatch):
    server(monkeypatch, good="good")
    monkeypatch.setattr(fetching, "CHUNK", 1 << 16)
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    fetch("cifar10", tmp_path, terminal)
    assert "━" in terminal.file.getvalue() and "1.0/1.0 MB" in terminal.file.getvalue()
