import shutil

import pytest


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """An empty store, which MLflow takes seconds to make."""
    from bench.tracking import embedded_store

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    embedded_store.create(path)
    return path


@pytest.fixture
def runs(tmp_path, monkeypatch, empty_store):
    """A runs directory with one finished trial and an empty store."""
    from tests.tracking.test_mlflow_writer import write_trial

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_trial(tmp_path / "runs", correct=40)
    shutil.copy(empty_store, tmp_path / "runs" / "mlflow.db")
    return tmp_path / "runs"
