"""Where MLflow's store is: MLFLOW_TRACKING_URI, or an SQLite file in the runs directory.

A store's URI can contain a password, so every text that may quote it goes through `without_passwords`. Imports no
MLflow.
"""

import os
import re
from pathlib import Path

from bench.errors import BadInput

VARIABLE = "MLFLOW_TRACKING_URI"
BARE_SCHEMES = ("databricks", "databricks-uc", "uc")  # MLflow takes these without `://`
USER_AND_PASSWORD = re.compile(r"(?<=://)[^\s/]*@")
PASSWORD_ARGUMENT = re.compile(r"((?:password|passwd|pwd|token|secret)=)[^&\s'\"]+", re.IGNORECASE)


def store_uri(runs: Path) -> str:
    """The store's URI. Raises BadInput where MLFLOW_TRACKING_URI has no scheme: MLflow would take it for a path."""
    uri = os.environ.get(VARIABLE)
    if not uri:
        return f"sqlite:///{runs / 'mlflow.db'}"
    if "://" not in uri and uri.split(":")[0] not in (*BARE_SCHEMES, "file"):
        address = uri.rpartition("@")[2]
        raise BadInput(
            f"{VARIABLE}={address} lacks a scheme: http://{address} or sqlite:////path/mlflow.db is expected"
        )
    return uri


def is_embedded() -> bool:
    """Whether the store is the SQLite file in the runs directory."""
    return not os.environ.get(VARIABLE)


def without_passwords(text: str) -> str:
    """The text with the user and password of every URI replaced by `***`, and those of MLFLOW_TRACKING_URI wherever
    they are quoted."""
    user_and_password = os.environ.get(VARIABLE, "").partition("://")[2].rpartition("@")[0]
    password = user_and_password.partition(":")[2]
    if password:
        text = text.replace(user_and_password + "@", "***@")
    text = PASSWORD_ARGUMENT.sub(r"\1***", USER_AND_PASSWORD.sub("***@", text))
    return text.replace(password, "***") if len(password) > 3 else text


def portable_uri(uri: str, runs: Path) -> str:
    """The URI as records store it: without passwords, and without the path of the runs directory, which may move."""
    return without_passwords(uri.replace(str(runs), "RUNS"))
