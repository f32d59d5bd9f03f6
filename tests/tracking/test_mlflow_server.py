"""`bench ui`: MLflow's pages in a browser, and its errors."""

import shutil
import signal
import socket
import urllib.request

import pytest

from tests.command import bench, kill, start, wait_for

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def server(finished_runs):
    """`bench ui` on a finished run: (its address, the experiment's link as it printed it)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start("ui", "--runs", finished_runs, "--port", port)
    link = wait_for(lambda: next((line for line in process.stdout if "digits" in line), None)).split(": ", 1)[1].strip()
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"))
    yield f"http://127.0.0.1:{port}", link
    kill(process, signal.SIGINT)


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (make browser, as root)")
def test_the_lambda_curves_are_drawn(server):
    from playwright.sync_api import sync_playwright

    _, link = server
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.goto(link)
        page.get_by_text("Test accuracy (%) by 1000·λ").wait_for(timeout=60_000)
        page.get_by_text("OAT (dual BN) · s0 · lr 0.1").first.wait_for()
        page.get_by_text("RA.pgd7").first.wait_for()
        curve = page.locator(".js-plotly-plot .trace path.js-line")
        curve.nth(1).wait_for(state="attached", timeout=60_000)  # both charts have drawn their line
        browser.close()


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
