"""Kill it anywhere and run the same command again."""

import json
import signal

from mlflow import MlflowClient

from tests.command import FRONTIERS, bench, kill, start, wait_for

COMMAND = ("run", FRONTIERS, "--seeds", 1, "--set", "epochs=6", "--only", "cifar10")


def epochs(runs) -> int:
    return sum(len(path.read_text().splitlines()) for path in runs.glob("trials/*/progress.jsonl"))


def statuses(runs) -> list[str]:
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return [run.info.status for run in client.search_runs(ids)]


def weights(runs) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in runs.glob("trials/*/weights.safetensors")}


def test_sigkill_and_sigint_lose_nothing_and_change_nothing(tmp_path):
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    process = start(*COMMAND, "--runs", disturbed)
    wait_for(lambda: epochs(disturbed) >= 3)
    kill(process, signal.SIGKILL)
    assert "RUNNING" in statuses(disturbed)  # MLflow never closes the runs of a killed process; the next command does

    process = start(*COMMAND, "--runs", disturbed)
    before = epochs(disturbed)
    wait_for(lambda: epochs(disturbed) >= before + 3)
    text = kill(process, signal.SIGINT)
    assert process.returncode == 130 and "the same command goes on from here" in text and "Traceback" not in text

    done = bench(*COMMAND, "--runs", disturbed)
    assert done.returncode == 0, done.stderr
    assert set(statuses(disturbed)) == {"FINISHED"}
    for path in disturbed.glob("trials/*/progress.jsonl"):
        assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [1, 2, 3, 4, 5, 6]

    assert bench(*COMMAND, "--runs", undisturbed).returncode == 0
    assert weights(disturbed) == weights(undisturbed) and len(weights(disturbed)) == 8
    for path in disturbed.glob("trials/*/results.json"):
        twin = json.loads((undisturbed / path.relative_to(disturbed)).read_text())
        ours = json.loads(path.read_text())
        assert ours["measurements"] == twin["measurements"] and ours["heldout"] == twin["heldout"]


def test_two_commands_on_one_directory_do_not_meet(tmp_path):
    process = start(*COMMAND, "--runs", tmp_path)
    wait_for(lambda: epochs(tmp_path) >= 1)
    done = bench(*COMMAND, "--runs", tmp_path)
    kill(process, signal.SIGKILL)
    assert done.returncode == 2 and "another command is running trials" in done.stderr
