"""Check the folder of Ray's sockets before Ray starts: their paths are limited to 107 bytes."""

import os

from bench.errors import BadInput

LONGEST_SOCKET_PATH = 107  # bytes; the limit of Linux
SOCKET = "ray/session_2000-01-01_00-00-00_000000_{pid}/sockets/plasma_store"  # the longest of Ray's socket paths


def check_temp_dir() -> None:
    """Raise BadInput where RAY_TMPDIR or TMPDIR is too long for Ray's sockets."""
    name = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
    folder = os.environ.get(name, "/tmp")
    length = len(os.fsencode(os.path.join(folder, SOCKET.format(pid=os.getpid()))))
    if length > LONGEST_SOCKET_PATH:
        most = LONGEST_SOCKET_PATH - length + len(os.fsencode(folder))
        raise BadInput(f"{name}={folder} is longer than the {most} bytes that Ray's sockets allow: set RAY_TMPDIR=/tmp")
