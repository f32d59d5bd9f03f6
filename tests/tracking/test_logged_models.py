"""`log-models`: MLflow answers with the trade-off that a call chooses."""

import io
import shutil

import numpy as np
import pytest
from rich.console import Console

import bench
from bench.errors import BadInput
from bench.run.log_models_command import log_models
from bench.tracking.run_tags import UNPLANNED
from tests.random_network import SHAPE, write_network
from tests.recipes import lively, oat, pgd_at


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """(runs directory with an OATS network in MLflow's index, its recipe, the folder of its logged model)."""
    from bench.tracking.mlflow_writer import MlflowWriter  # here: MLflow is slow to import

    runs, recipe = tmp_path_factory.mktemp("store") / "runs", oat(widths=(0.5, 1.0))
    write_network(recipe, runs / "trials" / recipe.key, lively(recipe))
    MlflowWriter(runs).index_trial(recipe, UNPLANNED)
    assert logged(runs, recipe.key[:6]).startswith("1 networks logged, 0 were logged before")
    (model,) = runs.glob("artifacts/*/models/*/artifacts")
    return runs, recipe, model


def logged(runs, *keys: str) -> str:
    out = Console(file=io.StringIO(), width=80)
    log_models(list(keys), runs, out)
    return out.file.getvalue()


def test_a_loaded_model_answers_by_lam_and_width_as_the_network(store):
    import mlflow

    runs, recipe, path = store
    model, network = mlflow.pyfunc.load_model(str(path)), bench.load(recipe.key, runs)
    images = np.random.default_rng(0).random((5, *SHAPE), np.float32)
    answers = {}
    for lam in (0.0, 1.0):
        for width in (0.5, 1.0):
            answers[lam, width] = model.predict(images, params={"lam": lam, "width": width})
            expected = network(images, lam, width).softmax(1).numpy()
            np.testing.assert_allclose(answers[lam, width], expected, atol=1e-6)
    np.testing.assert_array_equal(model.predict(images, params={"lam": 1.0}), answers[1.0, 1.0])
    assert all(np.abs(answers[0.0, width] - answers[1.0, width]).max() > 0.01 for width in (0.5, 1.0))
    assert np.abs(answers[0.0, 0.5] - answers[0.0, 1.0]).max() > 0.01


def test_no_trade_off_is_chosen_for_the_caller_and_wrong_images_are_refused(store):
    import mlflow
    from mlflow.exceptions import MlflowException

    model = mlflow.pyfunc.load_model(str(store[2]))
    images = np.zeros((2, *SHAPE), np.float32)
    with pytest.raises(ValueError, match=r"lam is not a number in \[0,1\]"):
        model.predict(images)
    with pytest.raises(MlflowException, match="shape"):
        model.predict(np.zeros((2, 3, 8, 8), np.float32), params={"lam": 0.3})


def test_the_model_belongs_to_the_run_and_is_logged_once(store):
    from mlflow import MlflowClient

    runs, recipe, path = store
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    model = client.get_logged_model(path.parent.name)
    run = client.get_run(model.source_run_id)
    assert run.data.tags["key"] == model.tags["key"] == recipe.key and model.status == "READY"
    assert run.data.tags["bench.model"] == model.model_id and model.name == f"oat-dual-{recipe.key[:8]}"
    assert logged(runs).startswith("0 networks logged, 1 were logged before")
    assert len(list(runs.glob("artifacts/*/models/*"))) == 1


def test_a_network_that_the_index_lacks_and_a_directory_without_networks_are_one_line(store, tmp_path):
    runs, recipe = tmp_path / "runs", pgd_at()
    shutil.copytree(store[0], runs)
    write_network(recipe, runs / "trials" / recipe.key)
    with pytest.raises(BadInput, match="is not in MLflow's index: python -m bench ingest"):
        logged(runs, recipe.key)
    with pytest.raises(BadInput, match="no trained network is here"):
        logged(tmp_path / "none")
