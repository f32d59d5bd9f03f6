"""The `log-models` verb: add trained networks to MLflow as logged models."""

from pathlib import Path

from rich.console import Console

from bench.errors import BadInput
from bench.find_trial import find_trial
from bench.run.driver_lock import driver_lock
from bench.run.missing_work import has_weights
from bench.run.next_command import next_command
from bench.tracking.mlflow_run_record import read_index_record
from bench.trained_network import TrainedNetwork


def log_models(keys: list[str], runs: Path, out: Console) -> None:
    """Log these networks, or all trained ones of the runs directory, each once, and print how to call one.

    Raises BadInput, also for a network that MLflow's index lacks.
    """
    directories = [find_trial(key, runs) for key in keys] or sorted((runs / "trials").glob("*"))
    directories = [directory for directory in directories if keys or has_weights(directory)]
    if not directories:
        raise BadInput(f"{runs}: no trained network is here: run a suite first")
    from bench.tracking.logged_models import log_model  # imports MLflow
    from bench.tracking.mlflow_writer import MlflowWriter

    logged = 0
    with driver_lock(runs):
        try:
            writer = MlflowWriter(runs)
            for directory in directories:
                network, record = TrainedNetwork(directory), read_index_record(directory)
                run = writer.runs_in(record["experiment_id"]).get(network.recipe.key) if record else None
                if run is None and keys:
                    raise BadInput(f"{network.recipe.name}: is not in MLflow's index: {next_command('ingest', runs)}")
                if run is None:
                    out.print(f"{directory}: is not in MLflow's index, left out", soft_wrap=True)
                    continue
                logged += log_model(writer, run, network) is not None
        except ConnectionError as error:
            raise BadInput(str(error)) from None
    out.print(f"{logged} networks logged, {len(directories) - logged} were logged before")
    out.print(f"see them under Models: {next_command('ui', runs)}", soft_wrap=True)
    if writer.embedded:
        command = (
            "MLFLOW_TRACKING_URI=http://127.0.0.1:5000 mlflow models serve --env-manager local -m models:/MODEL-ID"
        )
        out.print(f"serve one while `ui` runs: {command}", soft_wrap=True)
