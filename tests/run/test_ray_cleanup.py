"""The end of what a killed driver leaves behind, with a sleeping process in the place of Ray's."""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BadInput
from bench.run import ray_cleanup, ray_session
from tests.command import wait_for


@pytest.fixture
def session(tmp_path):
    """(folder of a Ray, a process that logs to it)."""
    folder = tmp_path / f"{ray_cleanup.PREFIX}12345678"
    (folder / "session_x" / "logs").mkdir(parents=True)
    with open(folder / "session_x" / "logs" / "raylet.err", "w") as log:
        process = subprocess.Popen(["sleep", "600"], stdout=log, stderr=log)
    yield folder, process
    process.kill()
    process.wait()


def cleaner(folder) -> subprocess.Popen:
    command = [sys.executable, "-I", "-S", ray_cleanup.__file__, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_process_that_only_reads_is_not_ray_s(session):
    folder, process = session
    with open(folder / "session_x" / "logs" / "raylet.err") as log:
        reader = subprocess.Popen(["sleep", "600"], stdin=log)
    assert ray_cleanup.processes(folder) == [process.pid]
    reader.kill()
    reader.wait()


def test_a_killed_driver_s_processes_and_folder_are_removed(session):
    folder, process = session
    assert ray_cleanup.processes(folder) == [process.pid]
    _, errors = cleaner(folder).communicate(b"")  # as when the driver's end of the pipe is closed by a kill
    assert not folder.exists() and process.wait(10) == -9
    assert errors.decode().splitlines() == ["the command was killed: rerun the same command to resume"]


def test_a_driver_that_has_cleaned_up_itself_leaves_nothing_to_do(session):
    folder, process = session
    _, errors = cleaner(folder).communicate(b"done")
    assert folder.exists() and process.poll() is None and not errors


def test_signals_for_the_driver_do_not_end_the_cleaner(session):
    folder, _ = session
    process = cleaner(folder)
    status = Path(f"/proc/{process.pid}/status")
    ignored = 1 << 14 | 1 << 1 | 1  # SIGTERM, SIGINT, SIGHUP

    def ignores() -> bool:
        line = next(line for line in status.read_text().splitlines() if line.startswith("SigIgn"))
        return int(line.split()[1], 16) & ignored == ignored

    wait_for(ignores, 20)
    process.terminate()
    process.communicate(b"")
    assert process.returncode == 0 and not folder.exists()


def test_only_abandoned_folders_are_removed_by_the_next_command(session):
    folder, process = session
    owner = folder / ray_cleanup.OWNER
    with open(owner, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ray_cleanup.clean_up_abandoned(folder.parent)
        assert folder.exists() and process.poll() is None
    ray_cleanup.clean_up_abandoned(folder.parent)
    assert not folder.exists() and process.wait(10) == -9


def test_ray_s_longest_socket_path_fits_below_the_longest_folder():
    """The kernel is asked: a path that is too long is another error than one where no socket is."""
    for base, error in ((ray_session.LONGEST_BASE, FileNotFoundError), (ray_session.LONGEST_BASE + 1, OSError)):
        tail = "/oat-12345678/session_2026-01-01_00-00-00_123456_1234567/sockets/plasma_store.1"
        with socket.socket(socket.AF_UNIX) as unix, pytest.raises(error) as caught:
            unix.connect("/" + "x" * (base - 1) + tail)
        assert (caught.type is FileNotFoundError) == (base == ray_session.LONGEST_BASE)


def test_ray_s_own_variable_comes_first(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/var/tmp")
    assert str(ray_session.folder_for_sockets()) == "/var/tmp"


def test_a_long_temporary_folder_is_replaced_and_none_is_one_line(monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/var/" + "long/" * 20)
    assert len(str(ray_session.folder_for_sockets())) <= ray_session.LONGEST_BASE
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BadInput, match="set TMPDIR to a path of at most"):
        ray_session.folder_for_sockets()
