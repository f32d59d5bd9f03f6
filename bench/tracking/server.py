"""The `ui` verb: MLflow's server on the runs directory, reachable from this machine only."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from bench.errors import BadInput


def command(runs: Path, port: int) -> list[str]:
    """`mlflow server` on the embedded store, with the artifacts that the store's scheme names under runs/artifacts."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{runs / 'mlflow.db'}", "--workers", "1"),
        *("--uvicorn-opts", "--log-level warning"),
        *("--serve-artifacts", "--artifacts-destination", str(runs / "artifacts")),
    ]


def serve(runs: Path, port: int, console: Console) -> int:
    """Serve until interrupted. Raises BadInput when there is nothing to show or the port is taken."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        raise BadInput(f"MLFLOW_TRACKING_URI is set: the runs are at {os.environ['MLFLOW_TRACKING_URI']}")
    if not (runs / "mlflow.db").exists():
        raise BadInput(f"{runs / 'mlflow.db'} is not there: run a suite first, or rebuild it: python -m bench ingest")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise BadInput(f"port {port} is taken: choose another with --port")
    from bench.tracking.store import Tracker, experiment_view

    base = f"http://127.0.0.1:{port}"
    console.print(f"MLflow at {base} (Ctrl-C ends it)")
    for name, experiment in Tracker(runs).experiments.items():
        if name != "Default":
            console.print(f"  {name}: {experiment_view.link(experiment, base)}", soft_wrap=True)
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # pages only: no job workers beside the trials
    server = subprocess.Popen(command(runs, port), env=environment, start_new_session=True)
    for asked in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background job starts with it ignored
        signal.signal(asked, signal.default_int_handler)
    try:
        return server.wait()
    except KeyboardInterrupt:
        os.killpg(server.pid, signal.SIGTERM)  # the server's own workers with it
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
        return 0
