"""End what a local Ray leaves behind: processes, and the folder of its sockets and logs.

As a script (`python ray_cleanup.py FOLDER`) it waits until its standard input is closed, as the driver's end of the
pipe is when the driver is killed, and then removes FOLDER and the processes. Imports the standard library alone: it
runs beside every command.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

PREFIX = "oat-"  # short: the path of a Unix socket has at most 107 bytes
OWNER = "owner"  # locked by the driver for as long as it lives
SECONDS = 10  # until killed processes are gone, unless the kernel keeps them


def processes(folder: Path) -> list[int]:
    """The processes other than this one that write to a file in the folder: Ray's own, its agents and workers."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if pid != os.getpid() and writes_to(pid, folder)]


def writes_to(pid: int, folder: Path) -> bool:
    """Whether the process has a file in the folder open for writing. False for other users' processes."""
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith(f"{folder}/"):
                    flags = (
                        Path(f"/proc/{pid}/fdinfo/{descriptor}")
                        .read_text(encoding="utf-8")
                        .split("flags:")[1]
                        .split()[0]
                    )
                    if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                        return True
    return False


def clean_up(folder: Path) -> None:
    """Kill the folder's processes, and remove it."""
    end = time.monotonic() + SECONDS
    while (pids := processes(folder)) and time.monotonic() < end:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def clean_up_abandoned(base: Path) -> None:
    """Clean up the folders in `base` whose driver is dead, together with the script that should have done so."""
    for owner in base.glob(f"{PREFIX}*/{OWNER}"):
        try:
            with open(owner, encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                clean_up(owner.parent)
        except OSError:  # the driver lives, or it is another user's
            continue


def wait_for_driver(folder: Path) -> None:
    """Wait until the driver ends. Unless it has said that it did so itself, clean up."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # they are meant for the driver
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    if sys.stdin.buffer.read() == b"done":
        return
    clean_up(folder)
    with contextlib.suppress(OSError):  # its terminal may be closed
        print("the command was killed: rerun the same command to resume", file=sys.stderr)


if __name__ == "__main__":
    wait_for_driver(Path(sys.argv[1]))
