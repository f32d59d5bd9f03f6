"""Where MLflow's store is, and that no text has its password."""

from pathlib import Path

import pytest

from bench.errors import BadInput
from bench.tracking.store_address import portable_uri, store_uri, without_passwords

RUNS = Path("/runs")
WITH_PASSWORDS = (
    "http://user:hunter2@host:5000",
    "https://user:hun%2Fter2hunter2@host/mlflow?token=hunter2",
    "postgresql+psycopg2://user:hunter2@host:5432/mlflow",
    "mysql://user:a/b@hunter2@host/db",
    "http://hunter2@host",
    "postgresql://host/db?user=me&password=hunter2",
)


@pytest.mark.parametrize("uri", WITH_PASSWORDS)
def test_no_text_has_the_password(uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for text in (uri, f"API request to {uri}/api/2.0 failed", f"two: {uri} {uri}", portable_uri(store_uri(RUNS), RUNS)):
        shown = without_passwords(text)
        assert "hunter2" not in shown and "host" in shown


def test_other_texts_stay(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    for text in ("http://tracking:5000/a@b", "sqlite:////home/a@b/mlflow.db", "mail me@host: SA@0.1"):
        assert without_passwords(text) == text


@pytest.mark.parametrize(
    "address", ["127.0.0.1:5000", "localhost:5000", "tracking.example.org", "me:hunter2@host:5000"]
)
def test_an_address_without_a_scheme_is_bad_input_that_says_what_is_missing(address, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(BadInput, match="lacks a scheme: http://") as error:
        store_uri(RUNS)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("uri", ["http://a:5000", "databricks", "databricks://profile", "sqlite:////a.db", "file:/a"])
def test_addresses_that_mlflow_knows_are_taken_as_they_are(uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store_uri(RUNS) == uri
