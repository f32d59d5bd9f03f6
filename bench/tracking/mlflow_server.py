"""The `ui` verb: MLflow's server on the runs directory, reachable from this machine only."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from bench.errors import BadInput
from bench.interruption import Interrupted, raise_interrupted
from bench.tracking import experiment_page
from bench.tracking.store_address import is_embedded, store_uri, without_passwords


def server_command(runs: Path, port: int) -> list[str]:
    """The command line of `mlflow server` on the embedded store, with runs/artifacts behind `mlflow-artifacts:/`."""
    return [
        *(sys.executable, "-m", "bench.tracking.mlflow_pages", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{runs / 'mlflow.db'}", "--workers", "1"),
        *("--uvicorn-opts", "--log-level warning"),
        *("--serve-artifacts", "--artifacts-destination", str(runs / "artifacts")),
    ]


def serve(runs: Path, port: int, console: Console) -> int:
    """Serve until interrupted. Returns the exit code; raises BadInput when there is no store or the port is in use."""
    if not is_embedded():
        raise BadInput(f"MLFLOW_TRACKING_URI is set: the runs are at {without_passwords(store_uri(runs))}")
    if not (runs / "mlflow.db").exists():
        raise BadInput(f"{runs / 'mlflow.db'} does not exist: run a suite, or rebuild it with python -m bench ingest")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise BadInput(f"port {port} is in use: choose another with --port")
    from bench.tracking.mlflow_writer import MlflowWriter  # slow to import, and needless for the errors above

    try:
        experiment_ids = MlflowWriter(runs).experiment_ids
    except ConnectionError as error:
        raise BadInput(f"{error}: rebuild it with python -m bench ingest") from None
    address = f"http://127.0.0.1:{port}"
    console.print(f"MLflow at {address} (Ctrl-C stops it)")
    for name, experiment_id in experiment_ids.items():
        if name != "Default":
            console.print(f"  {name}: {experiment_page.link(experiment_id, address)}", soft_wrap=True)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # no job workers: they would slow the trials
    server = subprocess.Popen(server_command(runs, port), env=environment, start_new_session=True)
    for signal_number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: background jobs of a shell ignore it
        signal.signal(signal_number, raise_interrupted)
    try:
        return server.wait()
    except Interrupted:  # SIGHUP raises it, too
        os.killpg(server.pid, signal.SIGTERM)  # the group includes the server's workers
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
        return 0
