"""`bench ui`: MLflow's pages in a browser, and its errors; and a server that goes away while trials run."""

import contextlib
import json
import shutil
import signal
import socket
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.tracking.mlflow_run_record import is_indexed
from tests.command import bench, kill, start, wait_for
from tests.tracking.test_mlflow_writer import RECIPE, TAGS, write_trial

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def server(finished_runs, tmp_path_factory):
    """`bench ui` on a copy of finished runs: (its address, the experiment's link as it printed it)."""
    runs, port = tmp_path_factory.mktemp("served") / "runs", free_port()
    shutil.copytree(finished_runs, runs)
    process = start("ui", "--runs", runs, "--port", port)
    link = wait_for(lambda: next((line for line in process.stdout if "digits" in line), None)).split(": ", 1)[1].strip()
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"))
    yield f"http://127.0.0.1:{port}", link
    kill(process, signal.SIGINT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def page(server):
    """The experiment's link, opened in a browser."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed (make browser, as root)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(server[1])
        yield page
        browser.close()


def wait_for_the_view(page) -> None:
    """Wait until the three charts of the curves have drawn a line for each of the three curves."""
    page.get_by_text("Test accuracy (%)").wait_for(timeout=60_000)
    for axis, charts in {"SA": 1, "Step": 2}.items():  # RA against SA; SA and RA against 1000·λ
        page.locator(".js-plotly-plot .xtitle").get_by_text(axis, exact=True).nth(charts - 1).wait_for()
    page.locator(".js-plotly-plot .trace path.js-line").nth(8).wait_for(state="attached", timeout=60_000)


def test_the_link_opens_the_curves_in_the_machine_learning_view(page):
    wait_for_the_view(page)
    for name in ("oat-dual", "oat-normal", "pgd-at"):  # a row of the list each; the networks are folded
        page.get_by_text(name, exact=True).first.wait_for()
    assert page.get_by_text("· seed 0").count() == 0
    assert page.get_by_text("Evaluation runs").count() == 0  # of the view for chat bots
    lines = page.locator(".js-plotly-plot .trace path.js-line").all()
    assert len({line.evaluate("line => line.style.stroke") for line in lines}) == 3


def test_the_view_survives_a_reload_and_the_way_back_from_a_run(page):
    wait_for_the_view(page)
    page.reload()
    wait_for_the_view(page)
    page.get_by_text("pgd-at", exact=True).first.click()
    page.get_by_text("Seed 0, at step = 1000·λ. Drawn in").wait_for()
    assert page.get_by_text("Evaluation runs").count() == 0
    page.go_back()
    wait_for_the_view(page)


def test_the_server_serves_the_drawn_figure(server):
    address, _ = server
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("digits · tiny")
    (run,) = client.search_runs([experiment.experiment_id], "tags.method = 'report'")
    path = download_artifacts(run_id=run.info.run_id, artifact_path="figures/fig4.png", tracking_uri=address)
    with open(path, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_a_port_in_use_is_one_line(server, tmp_path):
    address, _ = server
    (tmp_path / "mlflow.db").touch()
    done = bench("ui", "--runs", tmp_path, "--port", address.rsplit(":", 1)[1])
    assert done.returncode == 2 and "is in use: choose another with --port" in done.stderr


def test_only_this_machine_is_served():
    from pathlib import Path

    from bench.tracking.mlflow_server import server_command

    assert server_command(Path("/runs"), 5000)[3:6] == ["server", "--host", "127.0.0.1"]


@contextlib.contextmanager
def reachable(address: str, port: int):
    """A context in which the port answers as the server at the address does."""

    class Forward(BaseHTTPRequestHandler):
        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = urllib.request.Request(address + self.path, body or None, dict(self.headers), method=self.command)
            try:
                answer = urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.end_headers()
                self.wfile.write(answer.read())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward
        log_message = lambda *_: None  # noqa: E731

    with ThreadingHTTPServer(("127.0.0.1", port), Forward) as door:
        threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True).start()
        yield
        door.shutdown()


def test_a_server_that_is_away_costs_warnings_and_no_results(server, tmp_path, monkeypatch, capsys):
    from bench.tracking.mlflow_listener import MlflowListener
    from bench.tracking.mlflow_writer import MlflowWriter

    (address, _), port, runs = server, free_port(), tmp_path / "runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    write_trial(runs, correct=40)
    warnings, key = [], RECIPE.key
    results = (runs / "trials" / key / "results.json").read_bytes()
    rows = [json.loads(line) for line in (runs / "trials" / key / "progress.jsonl").read_text().splitlines()]
    with reachable(address, port):
        listener = MlflowListener(MlflowWriter(runs), {key: RECIPE}, {key: TAGS}, warnings.append)
        listener.started(key)
        listener.row(key, rows[0])
        assert not warnings
    listener.row(key, rows[1])
    listener.finished(key, None)
    assert len(warnings) == 2 and not is_indexed(runs, key, TAGS)
    assert all("the results are safe; `python -m bench ingest` adds them later" in line for line in warnings)
    assert (runs / "trials" / key / "results.json").read_bytes() == results
    with reachable(address, port):
        writer = MlflowWriter(runs)
        writer.close_abandoned_runs()
        MlflowListener(writer, {key: RECIPE}, {key: TAGS}, warnings.append).finished(key, None)
        (run,) = writer.client.search_runs([writer.experiment_ids["digits · smoke"]], f"tags.key = '{key}'")
        history = writer.client.get_metric_history(run.info.run_id, "train/loss")
    assert len(warnings) == 2 and is_indexed(runs, key, TAGS) and run.info.status == "FINISHED"
    assert "View run" not in capsys.readouterr().out  # which MLflow prints of runs on a server
    assert [point.step for point in history] == [1, 2]
