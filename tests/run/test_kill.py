"""Kill a run at any point, and run the same command again; a network that fails does not hinder the others."""

import json
import re
import signal
import tempfile
from pathlib import Path

import psutil
import pytest
import torch

from bench.run.trial import run_trial
from bench.spec.expand import Options, plan
from tests.command import TINY, bench, kill, start, wait_for

EPOCHS = 8  # enough for all kills
ONE_WORKER = ("--cpus-per-trial", 2)  # on a machine of two cores, to import torch once
SUITE = """
suite: four
about: networks of each kind
experiments:
  four:
    figures: [fig4]
    dataset: cifar10
    networks:
      - {method: pgd_at, lam: [0, 1]}
      - {method: oat, norm: normal, lambdas: S1, encoding: ro-128}
      - {method: oat, norm: dual, lambdas: S1, encoding: ro-128, widths: [0.5, 1]}
    measure: [{attack: pgd7, lambdas: S1}]
"""

DIVERGING = """
suite: diverging
about: a learning rate that makes the loss NaN
experiments:
  diverging:
    figures: [fig4]
    dataset: cifar10
    networks: [{method: pgd_at, lam: 0, lr: [1.0e+30]}]
    measure: [{attack: pgd7}]
"""


@pytest.fixture
def command(tmp_path) -> tuple:
    (tmp_path / "four.yaml").write_text(SUITE)
    return "run", tmp_path / "four.yaml", "--scale", TINY, "--set", f"epochs={EPOCHS}"


@pytest.fixture
def temporary():
    """TMPDIR of commands: a short path, for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="k") as folder:
        yield Path(folder)


def epochs(runs) -> int:
    return sum(len(path.read_text().splitlines()) for path in runs.glob("trials/*/progress.jsonl"))


def statuses(runs) -> list[tuple[str, str]]:
    """(status, name) of MLflow's runs."""
    from mlflow import MlflowClient  # slow to import: not while tests are collected

    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return [(run.info.status, run.info.run_name) for run in client.search_runs(ids)]


def are_running(runs) -> bool:
    return any(status == "RUNNING" for status, _ in statuses(runs))


def weights(runs) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in runs.glob("trials/*/weights.safetensors")}


def kill_after(process, runs, signal_number, name: str = "") -> str:
    """Wait for a finished epoch, then send the signal to the command, or to its descendant of this name."""
    before = epochs(runs)
    wait_for(lambda: epochs(runs) > before)
    if not name:
        return kill(process, signal_number)
    descendants = psutil.Process(process.pid).children(recursive=True)
    next(child for child in descendants if child.name() == name).send_signal(signal_number)
    return process.communicate(timeout=60)[0]


def test_a_killed_run_ends_like_an_undisturbed_one(tmp_path, command, temporary):
    runs, undisturbed = tmp_path / "runs", tmp_path / "undisturbed"
    process = start(*command, *ONE_WORKER, "--runs", runs, TMPDIR=str(temporary))
    wait_for(lambda: epochs(runs))
    process.send_signal(signal.SIGSTOP)  # so that the run is not over before the other commands are
    other_commands_beside(command, runs)
    text = kill(process, signal.SIGKILL)
    assert text.endswith("the command was killed: rerun the same command to resume\n")
    assert not list(temporary.glob("oat-*"))
    assert are_running(runs)  # of the killed process; the next command closes them

    for signal_number, name, code, line in (
        (signal.SIGTERM, "", 143, "interrupted: rerun the same command to resume"),
        (signal.SIGKILL, "raylet", 1, "Ray's raylet died (logs: "),
    ):
        process = start(*command, *ONE_WORKER, "--runs", runs, TMPDIR=str(temporary))
        text = kill_after(process, runs, signal_number, name)
        assert process.returncode == code and "Traceback" not in text, text
        assert line in text and "***" not in text
        assert not are_running(runs) and not list(temporary.glob("oat-*"))
    assert list((runs / "ray-logs").glob("raylet*"))

    finish_beside_a_failure(tmp_path, command, runs)
    for key in weights(runs):
        rows = (runs / "trials" / key / "progress.jsonl").read_text().splitlines()
        assert [json.loads(row)["epoch"] for row in rows] == list(range(1, EPOCHS + 1))

    run_alone(command, undisturbed)
    assert weights(runs) == weights(undisturbed) and len(weights(runs)) == 4
    assert len(list(runs.glob("trials/*/results.json"))) == 4
    for path in runs.glob("trials/*/results.json"):
        twin = json.loads((undisturbed / path.relative_to(runs)).read_text())
        ours = json.loads(path.read_text())
        assert ours["measurements"] == twin["measurements"] and ours["heldout"] == twin["heldout"]


def finish_beside_a_failure(tmp_path, command: tuple, runs) -> None:
    """Finish the networks of the command, after one whose loss becomes NaN."""
    (tmp_path / "diverging.yaml").write_text(DIVERGING)
    done = bench(command[0], tmp_path / "diverging.yaml", *command[1:], *ONE_WORKER, "--runs", runs)
    assert done.returncode == 1, done.stderr
    (counts,) = re.findall(r"(\d) networks trained or measured, (\d) cached, 1 failed", done.stderr)
    assert sum(map(int, counts)) == 4
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert "the loss became" in line and "lr 1e+30" in line and "log: " in line and "Traceback" not in done.stderr
    failed = [name for status, name in statuses(runs) if status == "FAILED"]
    assert len(failed) == 2 and all("1e+30" in name for name in failed)  # the network and its curve
    assert {status for status, _ in statuses(runs)} == {"FAILED", "FINISHED"}


def other_commands_beside(command: tuple, runs) -> None:
    """Beside a running command a second one is refused, and status and report show how far it is."""
    refused = bench(*command, "--runs", runs)
    assert refused.returncode == 2 and "another command is running trials" in refused.stderr
    status, report = bench("status", "--runs", runs), bench("report", "fig4", "--formats", "png", "--runs", runs)
    networks = [line for line in status.stdout.splitlines() if " tiny " in line]
    assert status.returncode == 0 and len(networks) == 4, status.stdout + status.stderr
    assert report.returncode == 0 and (runs / "report" / "fig4.csv").exists(), report.stderr


def run_alone(command: tuple, runs) -> None:
    """Train and measure the networks of the command one after another in this process, without Ray."""
    _, suite, _, scale, _, setting = command
    torch.set_num_threads(1)
    for trial in plan(suite, scale, Options(settings=(setting,))).trials:
        list(run_trial(trial, runs / "trials" / trial.key, runs, torch.device("cpu"), {}))
