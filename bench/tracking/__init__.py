"""MLflow: the index of the trials, and its web pages. No other folder imports MLflow."""

import logging
import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when MLflow is imported; no network at run time
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run where the store is a server
logging.getLogger("alembic").setLevel(logging.WARNING)
