"""The life of a local Ray: its folder, a watch on its processes, and an end that leaves nothing behind."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.errors import BadInput
from bench.run import ray_cleanup
from bench.run.ray_cleanup import OWNER, PREFIX

LONGEST_BASE = 107 - len(f"/{PREFIX}12345678/session_2026-01-01_00-00-00_123456_1234567/sockets/plasma_store.1")
SERVERS = ("gcs_server", "raylet")  # Ray's names of the processes without which nothing goes on
START_SECONDS, SHUTDOWN_SECONDS = 120, 20
POLL_SECONDS = 0.5


class RaySession:
    """A context in which this process may start a Ray of its own.

    On leaving it, Ray is shut down and its processes and its folder are gone. A Ray that breaks in between would leave
    its driver waiting for ever: then `broken` is called with a reason, from a thread, and must end the process.
    After a kill of the driver, a small process cleans up (bench/run/ray_cleanup.py).
    """

    def __init__(self, broken: Callable[[str], None]):
        self.broken = broken
        self.closing, self.started = threading.Event(), threading.Event()
        self.breaking = threading.Lock()  # held while `broken` ends the process

    def __enter__(self) -> "RaySession":
        base = folder_for_sockets()
        ray_cleanup.clean_up_abandoned(base)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        self.owner = open(self.folder / "owner.new", "w", encoding="utf-8")  # noqa: SIM115, locked until the process ends
        fcntl.flock(self.owner, fcntl.LOCK_EX)
        os.rename(self.folder / "owner.new", self.folder / OWNER)  # locked from the moment it has this name
        command = [sys.executable, "-I", "-S", ray_cleanup.__file__, str(self.folder)]
        self.cleaner = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self.redirect_stderr()
        threading.Thread(target=self.watch, daemon=True).start()
        return self

    def redirect_stderr(self) -> None:
        """Send what C++ code writes to the descriptor 2 to a log file; Python's sys.stderr stays where it was."""
        sys.stderr.flush()
        self.original_stderr, self.descriptor = sys.stderr, os.dup(2)
        encoding = getattr(sys.stderr, "encoding", None)
        sys.stderr = os.fdopen(self.descriptor, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False)
        with open(self.folder / "driver.log", "wb") as log:
            os.dup2(log.fileno(), 2)

    def watch(self) -> None:
        """Poll Ray's servers until the session closes. Runs in a thread."""
        servers: dict[str, psutil.Process] = {}
        began = time.monotonic()
        while not self.closing.wait(POLL_SECONDS if self.started.is_set() else POLL_SECONDS / 5):
            if len(servers) < len(SERVERS):
                servers |= server_processes()
                if not self.started.is_set() and time.monotonic() - began > START_SECONDS:
                    self.end(f"Ray did not start within {START_SECONDS} s")
            dead = [name for name, process in servers.items() if not is_alive(process)]
            if dead and not self.closing.is_set():
                self.end(f"Ray's {' and '.join(dead)} died")

    def end(self, reason: str) -> None:
        with self.breaking:
            self.broken(reason)

    def wait_if_broken(self) -> None:
        """Do not return where Ray is broken. Call on any error of Ray's: most are only its consequences."""
        time.sleep(3 * POLL_SECONDS)
        with self.breaking:
            return

    def keep_logs(self, target: Path) -> None:
        """Copy Ray's logs to a folder, in place of those of an earlier failure."""
        shutil.rmtree(target, ignore_errors=True)
        for logs in self.folder.glob("session_2*/logs"):
            shutil.copytree(logs, target, ignore_dangling_symlinks=True, dirs_exist_ok=True)

    def __exit__(self, *_) -> None:
        self.closing.set()
        with self.breaking:
            import ray

            timer = threading.Timer(SHUTDOWN_SECONDS, ray_cleanup.clean_up, [self.folder])  # it waits for no dead Ray
            timer.daemon = True
            timer.start()
            ray.shutdown()
            timer.cancel()
            sys.stderr.flush()
            os.dup2(self.descriptor, 2)
            os.close(self.descriptor)
            sys.stderr = self.original_stderr
            self.clean_up()

    def clean_up(self) -> None:
        """Remove the processes and the folder, and end the process that would do so after a kill."""
        ray_cleanup.clean_up(self.folder)
        self.owner.close()
        if self.cleaner.poll() is None:
            self.cleaner.communicate(b"done")


def folder_for_sockets() -> Path:
    """RAY_TMPDIR, or the folder for temporary files, or another where their paths are too long for Ray's sockets.

    Raises BadInput.
    """
    for folder in (os.environ.get("RAY_TMPDIR"), tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        if folder and len(os.fsencode(folder)) <= LONGEST_BASE and os.access(folder, os.W_OK):
            return Path(folder)
    raise BadInput(f"no folder for Ray's sockets: set TMPDIR to a path of at most {LONGEST_BASE} bytes")


def server_processes() -> dict[str, psutil.Process]:
    """{name: process} of Ray's servers that this process has started."""
    servers = {}
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # gone meanwhile
            if child.name() in SERVERS:
                servers[child.name()] = child
    return servers


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
