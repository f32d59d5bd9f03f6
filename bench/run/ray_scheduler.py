"""Trials → Ray Tune: workers that are reused, failures that are retried and then reported, and listeners on the driver.

Tune only schedules. What a trial has reached lies in its own directory (trial_dir), so a fresh Tuner with what is
missing takes the place of Tune's own restore, which cannot take an edited suite.
"""

import gc
import json
import logging
import os
import shutil
import socket
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no network at run time
    "RAY_DEDUP_LOGS": "0",
    "RAY_prestart_worker_first_driver": "0",  # an actor of Tune takes none of those that were started beforehand
    "RAY_worker_niceness": "0",  # Ray's 15 would starve the trials beside any other process
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON or TensorBoard files beside our own
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})

import ray  # noqa: E402, the variables above are read on import
from ray import tune  # noqa: E402

from bench import ROOT  # noqa: E402
from bench.run import ray_local  # noqa: E402
from bench.run.cost_estimate import trials_on  # noqa: E402
from bench.run.provenance import cpu_count  # noqa: E402
from bench.spec import plugins  # noqa: E402
from bench.spec.trial import Trial  # noqa: E402
from bench.trial_dir import read_failure, write_failure  # noqa: E402

RETRIES = 2  # of a trial whose worker died or raised; it goes on from its last finished epoch


class Listener(Protocol):
    """What the driver tells of a trial, by key: its display and its tracking."""

    def started(self, key: str) -> None: ...
    def row(self, key: str, row: dict) -> None: ...
    def finished(self, key: str, failure: str | None) -> None: ...


@dataclass(frozen=True)
class Resources:
    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None  # none: one where the cluster has GPUs, else zero
    address: str | None = None


@dataclass(frozen=True)
class Slots:
    """What a started Ray offers: `count` trials at once, each with so many GPUs."""

    count: int
    gpus_per_trial: float


class Worker(tune.Trainable):
    """One step is one epoch of training or one measured λ. An actor is reused for trial after trial: a new one would
    cost 4–5 s of importing torch."""

    def setup(self, config: dict) -> None:
        import torch  # here, because the driver needs none

        from bench.run.trial import run_trial

        if not gc.isenabled():  # in a worker's first trial: what it has imported is never garbage
            gc.freeze()
            gc.enable()
        config = config["task"]
        plugins.load_plugins(config["plugins"])
        torch.set_num_threads(config["threads"])
        device = torch.device("cuda" if config["gpus"] > 0 and torch.cuda.is_available() else "cpu")
        self.rows = run_trial(
            Trial.model_validate_json(config["trial"]),
            Path(config["directory"]),
            Path(config["data_root"]),
            device,
            config["provenance"] | plugins.plugin_provenance(),
        )

    def step(self) -> dict:
        row = next(self.rows, None)
        return {"row": json.dumps(row), "done": row is None}

    def reset_config(self, new_config: dict) -> bool:
        self.cleanup()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        self.rows.close()  # frees the lock on the trial's directory


class Relay(tune.Callback):
    """Tune's events → the listeners'."""

    def __init__(self, listeners: Sequence[Listener], runs: Path):
        self.listeners, self.runs = listeners, runs

    def __getstate__(self) -> dict:
        return {"listeners": (), "runs": self.runs}  # Tune saves its callbacks; a display cannot be, and need not

    def on_trial_start(self, iteration, trials, trial, **info):
        for listener in self.listeners:
            listener.started(trial.config["task"]["key"])

    def on_trial_result(self, iteration, trials, trial, result, **info):
        row = json.loads(result["row"]) if "row" in result else None
        for listener in self.listeners if row else ():
            listener.row(trial.config["task"]["key"], row)

    def on_trial_complete(self, iteration, trials, trial, **info):
        key = trial.config["task"]["key"]
        self.close(key, read_failure(self.runs / "trials" / key))

    def on_trial_error(self, iteration, trials, trial, **info):
        directory = self.runs / "trials" / trial.config["task"]["key"]
        directory.mkdir(parents=True, exist_ok=True)
        text = Path(trial.error_file).read_text() if trial.error_file else "the worker died"
        (directory / "error.log").write_text(text)
        write_failure(directory, last_line(text), "error.log")
        self.close(trial.config["task"]["key"], last_line(text))

    def close(self, key: str, failure: str | None) -> None:
        for listener in self.listeners:
            listener.finished(key, failure)


def last_line(text: str) -> str:
    """The exception's own line of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"


def start(resources: Resources) -> Slots:
    """Start Ray on this machine, or join a running cluster. Raises ConnectionError when none is at the address."""
    warnings.filterwarnings("ignore", module="ray")
    for name in ("ray", "ray.tune", "ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # failures are reported by name at the end
    options = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if resources.address:
        reach(resources.address)
        # its workers get the code from here; the runs directory must be one they see too
        options |= {"address": resources.address, "runtime_env": {"py_modules": [str(ROOT / "bench")]}}
        ray.init(**options)
    else:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        ray_local.init(cpu_count(), **options)
    cluster = ray.cluster_resources()
    gpus = resources.gpus_per_trial
    if gpus is None:
        gpus = 1.0 if cluster.get("GPU", 0) else 0.0
    slots = int(cluster.get("CPU", 1) // resources.cpus_per_trial)
    return Slots(min(slots, trials_on(cluster.get("GPU", 0), gpus)) if gpus else slots, gpus)


def reach(address: str, seconds: float = 5) -> None:
    """Raises ConnectionError when nothing listens at `host:port`; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        if address == "auto":
            return
        raise ConnectionError("auto, host:port, or ray://host:port is expected")
    try:
        socket.create_connection((host, int(port)), timeout=seconds).close()
    except OSError as error:
        raise ConnectionError(f"no Ray cluster answers there ({error.strerror or error})") from None


def execute(
    trials: Sequence[Trial],
    runs: Path,
    data_root: Path,
    provenance: dict,
    resources: Resources,
    slots: Slots,
    listeners: Sequence[Listener],
) -> None:
    """Run these trials in their order, until all have finished or failed, or an interrupt; the directories tell."""
    configs = [
        {
            "key": trial.key,
            "trial": trial.model_dump_json(),
            "directory": str(runs / "trials" / trial.key),
            "data_root": str(data_root),
            "provenance": provenance,
            "plugins": [str(path) for path in plugins.LOADED],
            "threads": resources.cpus_per_trial,
            "gpus": slots.gpus_per_trial,
        }
        for trial in trials
    ]
    storage = runs / "ray"
    shutil.rmtree(storage, ignore_errors=True)
    needs = {"cpu": resources.cpus_per_trial, "gpu": slots.gpus_per_trial}
    tuner = tune.Tuner(
        tune.with_resources(Worker, needs),
        param_space={"task": tune.grid_search(configs)},
        tune_config=tune.TuneConfig(reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id),
        run_config=tune.RunConfig(
            name="run",
            storage_path=str(storage),
            verbose=0,
            callbacks=[Relay(listeners, runs)],
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    tuner.fit()
    shutil.rmtree(storage, ignore_errors=True)
