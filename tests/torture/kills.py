"""Kill runs at random moments: `python -m tests.torture.kills --seed 0 --minutes 5`.

One command is started again and again on a runs directory, and each time one of its processes is killed, until it has
finished all networks. The directory is then compared with that of an undisturbed run, and a new one is begun.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from mlflow import MlflowClient

from bench.run import ray_cleanup
from tests.command import ROOT, TINY, environment, handles_signals
from tests.run.test_kill import SUITE

NETWORKS, CURVES, EPOCHS = 4, 3, 6
HANG_SECONDS = 60  # after a kill, the command has ended, or a killed worker's trial goes on
DRIVER_CODES = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
TARGETS = (
    *("driver SIGKILL", "driver SIGTERM", "driver SIGINT", "worker", "raylet", "gcs_server", "agent"),
    *("store", "report"),
)


class Failed(Exception):
    """A promise was not kept."""


@dataclass
class Torture:
    """The commands and kills on one runs directory after another."""

    folder: Path  # of runs directories and outputs
    temporary: Path  # TMPDIR of the commands, with a short path
    rng: random.Random
    targets: tuple[str, ...] = TARGETS
    waiting: list[str] = field(default_factory=list)  # targets to come
    seconds: float = 60.0  # of an undisturbed run
    counts: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def start(self, runs: Path) -> subprocess.Popen:
        """Start the command; its output is added to the file `output` in the folder."""
        suite = self.folder / "four.yaml"
        suite.write_text(SUITE)
        command = [sys.executable, "-m", "bench", "run", suite, "--scale", TINY, "--set", f"epochs={EPOCHS}"]
        env = environment() | {"TMPDIR": str(self.temporary)}
        with open(self.folder / "output", "w") as output:
            return subprocess.Popen([*command, "--runs", runs], cwd=ROOT, env=env, stdout=output, stderr=output)

    def run_undisturbed(self, runs: Path) -> None:
        began = time.monotonic()
        if self.start(runs).wait(900) != 0:
            raise Failed(f"the undisturbed run failed: {self.output()}")
        self.seconds = time.monotonic() - began

    def next_target(self, runs: Path) -> str:
        """Each target once, in random order, and again; a store is made in a new directory only."""
        if not self.waiting or self.waiting == ["store"]:
            self.waiting += self.rng.sample(self.targets, len(self.targets))
        target = next((t for t in self.waiting if t != "store" or not runs.exists()), "driver SIGKILL")
        if target in self.waiting:
            self.waiting.remove(target)
        return target

    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def run_and_kill(self, runs: Path, target: str, delay: float) -> int:
        """Start the command, kill the target once after the delay. Returns the command's exit code."""
        process = self.start(runs)
        began, killed_at, victim = time.monotonic(), 0.0, None
        while process.poll() is None:
            now = time.monotonic()
            if not killed_at and now - began >= (0 if target in ("store", "report") else delay):
                victim = self.victim(process, runs, target)
                if victim:
                    time.sleep(delay % 2 if target in ("store", "report") else 0)
                    send(victim, getattr(signal, target.split()[-1]) if " " in target else signal.SIGKILL)
                    killed_at = time.monotonic()
            limit = began + 10 * self.seconds + 120 if not killed_at or target == "worker" else killed_at + HANG_SECONDS
            if now > limit:
                for child in psutil.Process(process.pid).children(recursive=True):
                    send(child, signal.SIGKILL)
                process.kill()
                process.wait()
                raise Failed(f"hung for {now - (killed_at or began):.0f} s")
            time.sleep(0.02)
        if killed_at:
            self.counts[f"killed {target}"] += 1
            check_code(process.returncode, target)
        elif process.returncode:
            raise Failed(f"exit code {process.returncode} without a kill")
        self.check_quiet()
        return process.returncode

    def victim(self, process: subprocess.Popen, runs: Path, target: str) -> psutil.Process | None:
        """The process to kill, or None while there is none."""
        try:
            driver = psutil.Process(process.pid)
            if target.startswith("driver"):
                return driver if "KILL" in target or handles_signals(process.pid) else None
            if target == "store":
                return driver if list(runs.glob("mlflow.*tmp*")) else None
            if target == "report":
                return driver if len(finished(runs)) == NETWORKS else None
            return next((p for p in driver.children(recursive=True) if kind(p) == target), None)
        except psutil.Error:
            return None

    def check_quiet(self) -> None:
        """Raise Failed where the command has left processes, folders or a traceback behind."""
        end = time.monotonic() + 20
        while (left := self.left_behind()) and time.monotonic() < end:
            time.sleep(0.1)
        if left:
            raise Failed(f"left behind: {left}")
        for text in ("Traceback", "*** SIG", "core worker", "Fatal"):
            if text in self.output():
                raise Failed(f"{text!r} in the output: {self.output()[-1500:]}")

    def left_behind(self) -> list:
        """Folders of Ray, and processes with this TMPDIR. The process that cleans up ends last."""
        folders = list(self.temporary.glob(f"{ray_cleanup.PREFIX}*"))
        return folders + [p.info for p in psutil.process_iter(["pid", "cmdline"]) if uses(p, self.temporary)]

    def one_directory(self, runs: Path, undisturbed: Path, end: float) -> None:
        """Kill commands on a new runs directory until they have finished it, and compare it."""
        before: dict[Path, list] = {}
        code, kills = 1, 0
        while code != 0:
            if kills < 6 and time.monotonic() < end:
                target, delay = self.next_target(runs), self.rng.uniform(0, self.seconds)
            else:
                target, delay = "driver SIGKILL", float("inf")  # let it finish
            self.counts["tried"] += 1
            try:
                code = self.run_and_kill(runs, target, delay)
                check_kept(before, runs)
            except Failed as failure:
                self.failures.append(f"{target} after {delay:.2f} s on {runs.name}: {failure}")
                self.counts["failed"] += 1
                if self.counts["failed"] > 20:
                    return
                code = 1
            else:
                self.counts["fine"] += 1
            before, kills = progress(runs), kills + 1
        try:
            compare(runs, undisturbed)
        except Failed as failure:
            self.failures.append(f"{runs.name}: {failure}")
        else:
            shutil.rmtree(runs)
        self.counts["directories"] += 1


@contextlib.contextmanager
def short_temporary() -> Iterator[Path]:
    """A context with a TMPDIR for commands: short, since the paths of Ray's sockets begin with it."""
    folder = Path(tempfile.mkdtemp(prefix="k", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def kind(process: psutil.Process) -> str:
    """raylet, gcs_server, agent or worker; empty for other processes."""
    name, command = process.name(), " ".join(process.cmdline())
    if name in ("raylet", "gcs_server"):
        return name
    if "agent" in command.lower():
        return "agent"
    return "worker" if command.startswith("ray::") or "default_worker.py" in command else ""


def uses(process: psutil.Process, folder: Path) -> bool:
    """Whether the process was started with this TMPDIR."""
    try:
        return process.environ().get("TMPDIR") == str(folder) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def check_code(code: int, target: str) -> None:
    """Raise Failed unless the exit code is one that the documentation has for the kill."""
    allowed = (0, 1)  # 0: nothing was left to do, or a killed worker's trial was run again
    if " " in target:
        allowed = (0, DRIVER_CODES[getattr(signal, target.split()[-1])])
    elif target in ("store", "report"):
        allowed = (0, -9)
    elif target == "worker":
        allowed = (0,)
    if code not in allowed:
        raise Failed(f"exit code {code}")


def progress(runs: Path) -> dict[Path, list]:
    """{file: rows of progress.jsonl, or results.json's measurements} of all trials."""
    rows = {p: read_rows(p) for p in runs.glob("trials/*/progress.jsonl")}
    return rows | {p: list(json.loads(p.read_text())["measurements"].items()) for p in finished(runs)}


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def finished(runs: Path) -> list[Path]:
    return list(runs.glob("trials/*/results.json"))


def check_kept(before: dict[Path, list], runs: Path) -> None:
    """Raise Failed where an epoch or a measurement that was finished before was made again, or is lost."""
    after = progress(runs)
    for path, rows in before.items():
        if after.get(path, [])[: len(rows)] != rows:
            raise Failed(f"{path} lost rows, or they were made again")


def compare(runs: Path, undisturbed: Path) -> None:
    """Raise Failed where a finished directory differs from that of an undisturbed run."""
    names = sorted(path.parent.name for path in finished(undisturbed))
    if sorted(path.parent.name for path in finished(runs)) != names or len(names) != NETWORKS:
        raise Failed("networks are not finished")
    for name in names:
        ours, twin = runs / "trials" / name, undisturbed / "trials" / name
        if (ours / "weights.safetensors").read_bytes() != (twin / "weights.safetensors").read_bytes():
            raise Failed(f"weights of {name} differ")
        results, expected = (json.loads((folder / "results.json").read_text()) for folder in (ours, twin))
        if any(results[part] != expected[part] for part in ("measurements", "heldout")):
            raise Failed(f"counts of {name} differ")
        epochs = [row["epoch"] for row in read_rows(ours / "progress.jsonl")]
        if epochs != list(range(1, EPOCHS + 1)):
            raise Failed(f"epochs of {name}: {epochs}")
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    states = Counter(run.info.status for run in client.search_runs(ids))
    if states != {"FINISHED": NETWORKS + CURVES + 1}:
        raise Failed(f"MLflow's runs: {states}")
    leftovers = [*runs.rglob("*.tmp"), *runs.glob("*unreadable*"), *runs.glob("trials/*/checkpoint")]
    if leftovers or not (runs / "report" / "index.html").exists():
        raise Failed(f"left behind: {leftovers}, or no report")


def torture(
    seed: int, minutes: float, folder: Path, targets: tuple[str, ...] = TARGETS, say: Callable[[str], None] = print
) -> dict:
    """Kill for this many minutes.

    Returns {"tried", "fine", "failed", "directories", "killed …": count}, and "failures": a line for each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with short_temporary() as temporary:
        case = Torture(folder, temporary, random.Random(seed), targets)
        case.run_undisturbed(folder / "undisturbed")
        say(f"an undisturbed run takes {case.seconds:.0f} s")
        end, number = time.monotonic() + 60 * minutes, 0
        while time.monotonic() < end and case.counts["failed"] <= 20:
            number += 1
            case.one_directory(folder / f"runs{number}", folder / "undisturbed", end)
            say(f"directory {number}: {dict(case.counts)}")
    return dict(case.counts) | {"failures": case.failures}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--target", choices=TARGETS, action="append", help="can be repeated (default: all)")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    counts = torture(arguments.seed, arguments.minutes, folder, tuple(arguments.target or TARGETS))
    print(json.dumps(counts, indent=1), f"seed {arguments.seed}, folder {folder}", sep="\n")
    sys.exit(bool(counts["failures"]) and os.EX_SOFTWARE)
