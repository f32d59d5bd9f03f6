"""Fill the disk while a run writes to it: `python -m tests.torture.full_disk SEED ROUNDS FOLDER`, as root.

The disk is a small tmpfs. The command has to stop with one line, and finish as undisturbed once there is room.
"""

import contextlib
import errno
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.command import wait_for
from tests.torture import kills
from tests.torture.kills import Failed, Torture

MEGABYTES = 200  # a plan needs 64 MB and more
LINE = "no space left on the disk of "


def torture(seed: int, rounds: int, folder: Path) -> dict:
    """Returns {"tried", "stopped", "finished before", "failed"} and "failures"; "skipped": why nothing was tried."""
    rng, counts, failures = random.Random(seed), Counter(tried=0), []
    folder.mkdir(parents=True, exist_ok=True)
    with kills.short_temporary() as temporary:
        case = Torture(folder, temporary, rng)
        case.run_undisturbed(folder / "undisturbed")
        for number in range(rounds):
            disk = folder / f"disk{number}"
            disk.mkdir()
            try:
                with small_disk(disk):
                    counts["tried"] += 1
                    counts[one_disk(case, disk, rng.randint(1, 12))] += 1
            except PermissionError as error:
                return {"skipped": str(error), "failed": 0, "failures": []}
            except (Failed, AssertionError) as failure:
                failures.append(f"disk {number}: {failure}")
    return {**counts, "failed": len(failures), "failures": failures}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A context in which the folder is a disk of its own. Raises PermissionError where it cannot be mounted."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "none", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise PermissionError(done.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # this process may hold MLflow's store open


def one_disk(case: Torture, disk: Path, epochs: int) -> str:
    """Fill the disk after this many epochs, make room, rerun and compare. Returns what the first command did."""
    runs = disk / "runs"
    process = case.start(runs)
    wait_for(lambda: process.poll() is not None or sum(map(len, kills.progress(runs).values())) >= epochs, 300)
    fill(disk / "filler")
    try:
        code = process.wait(kills.HANG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failed("hung on the full disk") from None
    case.check_quiet()
    output = case.output()
    if code not in (0, 1) or (code == 1 and LINE not in output):
        raise Failed(f"exit code {code}: {output[-1500:]}")
    before = kills.progress(runs)
    (disk / "filler").unlink()
    if (code := case.start(runs).wait(300)) != 0:
        raise Failed(f"exit code {code} with room again: {case.output()[-1500:]}")
    kills.check_kept(before, runs)
    kills.compare(runs, case.folder / "undisturbed")
    return "stopped" if LINE in output else "finished before"


def fill(path: Path) -> None:
    """Write the file until the disk is full, and for a second more, since others free and take space."""
    end = time.monotonic() + 1
    with open(path, "ab", buffering=0) as file:
        while time.monotonic() < end:
            try:
                file.write(bytes(2**16))
                end = time.monotonic() + 1
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                time.sleep(0.01)


if __name__ == "__main__":
    result = torture(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).resolve())
    print(*result.pop("failures"), json.dumps(result), sep="\n")
    sys.exit(result["failed"] > 0)
