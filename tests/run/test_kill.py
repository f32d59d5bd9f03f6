"""Kill a run at any point, and run the same command again."""

import json
import signal

import pytest
from mlflow import MlflowClient

from tests.command import TINY, bench, kill, start, wait_for

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


@pytest.fixture
def command(tmp_path) -> tuple:
    (tmp_path / "four.yaml").write_text(SUITE)
    return "run", tmp_path / "four.yaml", "--scale", TINY, "--set", "epochs=6"


def epochs(runs) -> int:
    return sum(len(path.read_text().splitlines()) for path in runs.glob("trials/*/progress.jsonl"))


def statuses(runs) -> list[str]:
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return [run.info.status for run in client.search_runs(ids)]


def weights(runs) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in runs.glob("trials/*/weights.safetensors")}


def test_a_run_resumed_after_sigkill_and_sigint_ends_like_an_undisturbed_one(tmp_path, command):
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    process = start(*command, "--runs", disturbed)
    wait_for(lambda: epochs(disturbed) >= 3)
    kill(process, signal.SIGKILL)
    assert "RUNNING" in statuses(
        disturbed
    )  # MLflow leaves the runs of a killed process open; the next command closes them

    process = start(*command, "--runs", disturbed)
    before = epochs(disturbed)
    wait_for(lambda: epochs(disturbed) >= before + 3)
    text = kill(process, signal.SIGINT)
    assert process.returncode == 130 and "rerun the same command to resume" in text and "Traceback" not in text

    done = bench(*command, "--runs", disturbed)
    assert done.returncode == 0, done.stderr
    assert set(statuses(disturbed)) == {"FINISHED"}
    for path in disturbed.glob("trials/*/progress.jsonl"):
        assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [1, 2, 3, 4, 5, 6]

    assert bench(*command, "--runs", undisturbed).returncode == 0
    assert weights(disturbed) == weights(undisturbed) and len(weights(disturbed)) == 4
    for path in disturbed.glob("trials/*/results.json"):
        twin = json.loads((undisturbed / path.relative_to(disturbed)).read_text())
        ours = json.loads(path.read_text())
        assert ours["measurements"] == twin["measurements"] and ours["heldout"] == twin["heldout"]


def test_a_second_command_on_the_same_directory_is_refused(tmp_path, command):
    process = start(*command, "--runs", tmp_path)
    wait_for(lambda: epochs(tmp_path) >= 1)
    done = bench(*command, "--runs", tmp_path)
    kill(process, signal.SIGKILL)
    assert done.returncode == 2 and "another command is running trials" in done.stderr
