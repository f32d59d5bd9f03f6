"""A small real suite, four trials on one device, of which a worker is killed: everything must be done, nothing twice.

Needs the suite's packages.
"""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import ROOT
from bench.run.ray_cleanup import writes_to
from bench.speed.gpu_check.parts import Request

PACKAGES = ("ray", "mlflow", "psutil", "sklearn")
EPOCHS, NETWORKS = 8, 4
SUITE = """suite: gpu-check
about: four networks on digits
experiments:
  four:
    figures: [fig4]
    dataset: cifar10
    networks:
      - {method: pgd_at, lam: [0, 1]}
      - {method: oat, norm: normal, lambdas: S1, encoding: ro-128}
      - {method: oat, norm: dual, lambdas: S1, encoding: ro-128}
    measure: [{attack: pgd7, lambdas: S1}]
"""
RESERVE_SECONDS = 20  # for the run's end
POLL_SECONDS = 0.2


def run_suite(request: Request) -> Iterator[dict]:
    """{"networks", "finished", "epochs_once", "killed_workers", "devices", "exit_code", "seconds", "gpus_per_trial",
    "last_line"}, or {"skipped": reason}. `epochs_once`: whether progress.jsonl of every network lists each epoch once.
    `exit_code` None: the time was over."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        yield {"skipped": f"{', '.join(missing)} not installed (make setup)"}
        return
    gpus = 0.25 if request.device == "cuda" else 0
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        runs, suite, log = Path(folder) / "runs", Path(folder) / "suite.yaml", Path(folder) / "log"
        suite.write_text(SUITE, encoding="utf-8")
        command = [sys.executable, "-m", "bench", "run", str(suite), "--scale", "smoke", "--seeds", "1"]
        command += ["--set", f"epochs={EPOCHS}", "--gpus-per-trial", str(gpus), "--runs", str(runs)]
        started = time.monotonic()
        end = started + request.seconds - RESERVE_SECONDS
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        with open(log, "w", encoding="utf-8") as out:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment)
            try:
                killed = kill_a_worker(process, runs, end)
                wait_until(lambda: process.poll() is not None, end)
                code = process.poll()
            finally:
                stop(process)
        seconds, lines = time.monotonic() - started, log.read_text(encoding="utf-8", errors="replace").splitlines()
        row = {"networks": NETWORKS, "killed_workers": killed, "exit_code": code, "seconds": seconds}
        yield row | outcome(runs) | {"gpus_per_trial": gpus, "last_line": lines[-1] if lines else ""}


def kill_a_worker(process: subprocess.Popen, runs: Path, end: float) -> int:
    """Kill a worker in the middle of a training. The number of killed workers: 0 where the run was over, or the time,
    before a first epoch was done."""
    import psutil

    wait_until(lambda: process.poll() is not None or busy_workers(process.pid, runs), end)
    for worker in busy_workers(process.pid, runs)[:1]:
        with contextlib.suppress(psutil.Error):
            worker.kill()
            return 1
    return 0


def busy_workers(driver: int, runs: Path) -> list:
    """The driver's worker processes (psutil) whose trial has a finished epoch and is not done."""
    import psutil

    trials = [path.parent for path in runs.glob("trials/*/progress.jsonl")]
    trials = [directory for directory in trials if not (directory / "results.json").exists()]
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(driver).children(recursive=True) if trials else []
        return [child for child in children if any(writes_to(child.pid, directory) for directory in trials)]
    return []


def wait_until(condition: Callable[[], object], end: float) -> None:
    """Return once the condition holds, or at `end` by time.monotonic()."""
    while not condition() and time.monotonic() < end:
        time.sleep(POLL_SECONDS)


def stop(process: subprocess.Popen) -> None:
    """End the run if it has not ended: as by Ctrl-C, which ends Ray too."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(RESERVE_SECONDS / 2)
        except subprocess.TimeoutExpired:
            process.kill()  # the run's own helper then ends Ray
            process.wait()


def outcome(runs: Path) -> dict:
    """{"finished", "epochs_once", "devices"} of a runs directory."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in runs.glob("trials/*/results.json")]
    logs = [path.read_text(encoding="utf-8").splitlines() for path in runs.glob("trials/*/progress.jsonl")]
    epochs = [[json.loads(line)["epoch"] for line in lines] for lines in logs]
    return {
        "finished": len(results),
        "epochs_once": len(epochs) == NETWORKS and all(each == list(range(1, EPOCHS + 1)) for each in epochs),
        "devices": sorted({result["provenance"]["device"] for result in results}),
    }
