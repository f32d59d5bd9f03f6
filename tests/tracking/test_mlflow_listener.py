"""A tracking server that goes away while trials run, and comes back."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.request

import pytest

from bench.tracking.mlflow_run_record import is_indexed
from bench.tracking.mlflow_server import server_command
from tests.command import wait_for
from tests.tracking.test_mlflow_writer import RECIPE, TAGS


@contextlib.contextmanager
def serving(folder, port: int):
    """A context in which MLflow's server answers on the port."""
    process = subprocess.Popen(server_command(folder, port), start_new_session=True)
    try:
        wait_for(lambda: answers(port))
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).status == 200
    except OSError:
        return False


@pytest.fixture
def port(monkeypatch) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{number}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return number


def test_a_server_that_is_away_costs_warnings_and_no_results(runs, port):
    from bench.tracking.mlflow_listener import MlflowListener
    from bench.tracking.mlflow_writer import MlflowWriter

    warnings, key = [], RECIPE.key
    results = (runs / "trials" / key / "results.json").read_bytes()
    rows = [json.loads(line) for line in (runs / "trials" / key / "progress.jsonl").read_text().splitlines()]
    with serving(runs, port):
        listener = MlflowListener(MlflowWriter(runs), {key: RECIPE}, {key: TAGS}, warnings.append)
        listener.started(key)
        listener.row(key, rows[0])
        assert not warnings
    listener.row(key, rows[1])
    listener.finished(key, None)
    assert len(warnings) == 2 and not is_indexed(runs, key, TAGS)
    assert all("the results are safe; `python -m bench ingest` adds them later" in line for line in warnings)
    assert (runs / "trials" / key / "results.json").read_bytes() == results
    with serving(runs, port):
        writer = MlflowWriter(runs)
        writer.close_abandoned_runs()
        MlflowListener(writer, {key: RECIPE}, {key: TAGS}, warnings.append).finished(key, None)
        (run,) = writer.client.search_runs(list(writer.experiment_ids.values()), f"tags.key = '{key}'")
        history = writer.client.get_metric_history(run.info.run_id, "train/loss")
    assert len(warnings) == 2 and is_indexed(runs, key, TAGS) and run.info.status == "FINISHED"
    assert [point.step for point in history] == [1, 2]
