"""A real Ray cluster whose nodes are 127.0.0.2 and up: refused before training, and killed and joined in mid-run."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from bench.run import ray_cleanup
from tests.command import ROOT, TINY, environment, start, wait_for

EPOCHS = 30  # enough for all kills
SUITE = """
suite: three
about: networks of each kind
experiments:
  three:
    figures: [fig4]
    dataset: cifar10
    networks:
      - {method: pgd_at, lam: [0.5, 1]}
      - {method: oat, norm: dual, lambdas: S1, encoding: ro-128}
    measure: [{attack: pgd7, lambdas: [0, 1]}]
"""
# Loaded by every Python process of the blind node: the folder HIDDEN is not there, as on a disk that is not shared.
BLIND = """
import os, sys
def hide(event, arguments):
    if event in ("open", "os.mkdir", "os.listdir") and str(arguments[0]).startswith(os.environ["HIDDEN"]):
        raise FileNotFoundError(2, "No such file or directory", str(arguments[0]))
sys.addaudithook(hide)
"""


class Cluster:
    """Nodes of this machine, each with an address of its own. Every call of the cluster needs a token."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        with socket.socket() as free:
            free.bind(("127.0.0.2", 0))
            self.address = f"127.0.0.2:{free.getsockname()[1]}"

    def start(self, number: int, *options: object, **variables: str) -> None:
        """Start node 127.0.0.<number>; 2 is the head."""
        ip = f"127.0.0.{number}"
        place = ("--address", self.address)
        if number == 2:
            place = ("--head", "--port", self.address.split(":")[1], "--temp-dir", self.folder)
            place += ("--include-dashboard", "false")
        ray = [Path(sys.executable).with_name("ray"), "start", "--node-ip-address", ip, *place, "--num-cpus", 1]
        command = [*map(str, ray), "--disable-usage-stats", "--include-log-monitor", "false", *map(str, options)]
        variables |= self.token
        subprocess.run(command, env=environment() | variables, capture_output=True, timeout=60, check=True)

    def processes(self, number: int) -> list[psutil.Process]:
        """Raylet, agents and workers of a node."""
        ip, found = f"127.0.0.{number}", []
        for process in (psutil.Process(pid) for pid in ray_cleanup.processes(self.folder)):
            with contextlib.suppress(psutil.Error):
                if any(word.replace("_", "-").endswith(f"node-ip-address={ip}") for word in process.cmdline()):
                    found.append(process)
        return found

    def kill(self, number: int) -> None:
        for process in self.processes(number):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def run(self, runs: Path, *options: object) -> subprocess.Popen:
        """Start `bench run` of the suite on the cluster."""
        suite = ("run", self.folder.parent / "three.yaml", "--scale", TINY, "--set", f"epochs={EPOCHS}")
        return start(*suite, "--runs", runs, "--address", self.address, *options, **self.token)


@pytest.fixture(scope="module")
def cluster():
    base = Path(tempfile.mkdtemp(prefix="oat c"))  # a short path with a space
    (base / "three.yaml").write_text(SUITE)
    (base / "blind").mkdir()
    (base / "blind" / "sitecustomize.py").write_text(BLIND)
    cluster = Cluster(base / "ray")
    try:
        cluster.start(2, "--num-gpus", 1)  # a GPU that is not there
        path = os.pathsep.join([str(base / "blind"), str(ROOT)])
        cluster.start(3, PYTHONPATH=path, HIDDEN=str(base / "hidden"))
        yield cluster
    finally:
        ray_cleanup.clean_up(cluster.folder)
        shutil.rmtree(base, ignore_errors=True)


def test_nodes_on_which_trials_would_fail_are_refused_before_training(cluster):
    base = cluster.folder.parent
    commands = {
        "Ray offers GPUs, but torch": cluster.run(base / "gpus"),
        "127.0.0.3): does not see the files that": cluster.run(base / "hidden", "--gpus-per-trial", 0),
    }
    for reason, process in commands.items():
        text = process.communicate(timeout=120)[0]
        assert process.returncode == 2 and reason in text.splitlines()[-1], text
        assert "Traceback" not in text
    assert not list(base.glob("*/trials")) and not list(base.glob("*/plans"))


def test_a_node_killed_a_node_added_and_a_trial_preempted_three_times(cluster):
    runs = cluster.folder.parent / "runs"
    process = cluster.run(runs, "--gpus-per-trial", 0)
    preempted = wait_for(lambda: next((path.parent for path in runs.glob("trials/*/progress.jsonl")), None))
    for _ in range(3):
        before = epochs(preempted)
        wait_for(lambda before=before: epochs(preempted) > before)
        os.kill(wait_for(lambda: ray_cleanup.processes(preempted))[0], signal.SIGKILL)
    cluster.start(4)
    wait_for(lambda: any(writes_to_a_trial(worker, runs) for worker in cluster.processes(4)))
    cluster.kill(3)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 0 and "0 failed" in text, text
    assert text.count("ready") == 2  # the table of the preflight
    for directory in runs.glob("trials/*"):
        rows = [json.loads(line) for line in (directory / "progress.jsonl").read_text().splitlines()]
        assert [row["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
        assert json.loads((directory / "results.json").read_text())["measurements"]
    with contextlib.closing(sqlite3.connect(runs / "mlflow.db")) as store:
        assert store.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)] * 3
    assert not (runs / "preflight").exists()


def epochs(directory: Path) -> int:
    return len((directory / "progress.jsonl").read_text().splitlines())


def writes_to_a_trial(process: psutil.Process, runs: Path) -> bool:
    return ray_cleanup.writes_to(process.pid, runs / "trials")
