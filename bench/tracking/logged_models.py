"""Networks as MLflow's logged models: pyfunc models with λ and width as inference parameters, and a signature."""

import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
import numpy as np
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

from bench.tracking.mlflow_writer import MlflowWriter, first_line
from bench.tracking.run_tags import RUNS_ID_TAG
from bench.trained_network import TrainedNetwork

MODEL_TAG = "bench.model"  # of a run: the id of its logged model
FILES = ("manifest.json", "recipe.json", "weights.safetensors")  # of a trial, all that a network is loaded from
PACKAGES = ("torch", "numpy", "safetensors", "pydantic")  # beside this one, which no registry has
NOT_CHOSEN = -1.0  # MLflow wants a default for λ, and none is right: this one is refused


def log_model(writer: MlflowWriter, run: Run, network: TrainedNetwork) -> str | None:
    """Add the network to the store as the run's logged model, once. Returns its id; None where it was there.

    Raises ConnectionError where the store refuses it.
    """
    if MODEL_TAG in run.data.tags:
        return None
    try:
        return write_model(writer, run, network)
    except MlflowException as error:
        raise ConnectionError(f"MLflow's store {writer.shown_uri}: {first_line(error)}") from None


def write_model(writer: MlflowWriter, run: Run, network: TrainedNetwork) -> str:
    """Write the model's files and its entry in the store, and name it in the run's tags. Returns its id."""
    recipe, client = network.recipe, writer.client
    name, tags = f"{recipe.method}-{recipe.norm}-{recipe.key[:8]}", {RUNS_ID_TAG: writer.runs_id, "key": recipe.key}
    logged = client.create_logged_model(run.info.experiment_id, name, run.info.run_id, tags)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save(network, path, Model(run_id=run.info.run_id, model_id=logged.model_id))
        if writer.embedded:
            place = logged.artifact_location.removeprefix("mlflow-artifacts:/").lstrip("/")
            shutil.copytree(path, writer.runs / "artifacts" / place, dirs_exist_ok=True)
        else:
            client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    client.set_tag(run.info.run_id, MODEL_TAG, logged.model_id)
    return logged.model_id


def save(network: TrainedNetwork, path: Path, about: Model) -> None:
    """Write the network as a pyfunc model, whose code is bench/tracking/pyfunc_network.py."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*An input example was not provided")  # the signature is known without one
        data = Path(folder) / "network"
        data.mkdir()
        for name in FILES:
            shutil.copyfile(network.directory / name, data / name)
        mlflow.pyfunc.save_model(
            path,
            loader_module="bench.tracking.pyfunc_network",
            data_path=str(data),
            mlflow_model=about,
            signature=signature_of(network),
            pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        )


def signature_of(network: TrainedNetwork) -> ModelSignature:
    """Images in, probabilities out, and the parameters lam and width."""
    lam = NOT_CHOSEN if network.recipe.lam is None else network.recipe.lam
    shape = [-1 if size is None else size for size in network.shape]
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, *shape))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, network.classes))]),
        params=ParamSchema([ParamSpec("lam", "double", lam), ParamSpec("width", "double", 1.0)]),
    )
