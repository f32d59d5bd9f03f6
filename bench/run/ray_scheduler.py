"""Schedule trials with Ray Tune: reused workers, retries of crashed ones, and events to listeners on the driver.

Tune only schedules. The state of a trial is in its own directory (bench/trial_dir.py), so each command runs a new Tuner
on what is missing. Tune's own restore could not follow an edited suite.
"""

import json
import logging
import os
import shutil
import signal
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.run import ray_environment  # noqa: F401, sets variables that Ray reads on import

# isort: split
import ray
from ray import tune

from bench import ROOT
from bench.interruption import catch_signals, raise_interrupted
from bench.run import ray_local
from bench.run.cost_estimate import gpu_slots
from bench.run.provenance import cpu_count
from bench.run.ray_worker import TrialWorker
from bench.spec import plugins
from bench.spec.trial import Trial
from bench.trial_dir import read_failure, write_failure

GRACE_SECONDS = 5  # after SIGTERM; Docker kills after 10 s, SLURM after 30
RETRIES = 2  # of a trial whose worker died or raised; each resumes from the last finished epoch


class Listener(Protocol):
    """Receives the events of trials, by key, on the driver."""

    def started(self, key: str) -> None: ...
    def row(self, key: str, row: dict) -> None: ...
    def finished(self, key: str, failure: str | None) -> None: ...


@dataclass(frozen=True)
class Resources:
    """What the command asks Ray for."""

    cpus_per_trial: int = 1
    gpus_per_trial: float | None = None  # None: one where the cluster has GPUs, else zero
    address: str | None = None  # None: a Ray of our own on this machine
    slots: int = 1  # of such a Ray


@dataclass(frozen=True)
class Slots:
    """What the started Ray offers: `count` trials at once, each with `gpus_per_trial` GPUs."""

    count: int
    gpus_per_trial: float


class StopRequest(tune.Stopper):
    """Whether the trials have to stop before they are finished: after a signal, or on a full disk.

    Ctrl-C stops them at once. After other signals each running trial may finish its epoch, within GRACE_SECONDS.
    """

    def __init__(self):
        self.signal: int | None = None
        self.disk_full: str | None = None
        self.running: set[str] = set()  # Tune's ids of trials
        self.unfinished_epochs: set[str] = set()  # those of trials that may finish their epoch
        self.deadline = 0.0

    def __getstate__(self) -> dict:
        return {}  # Tune pickles it with its state

    def on_signal(self, number: int, frame: object) -> None:
        """Handle a signal; a second one does not wait."""
        if self.signal:
            raise_interrupted(number, frame)
        self.signal, self.unfinished_epochs = number, set() if number == signal.SIGINT else set(self.running)
        self.deadline = time.monotonic() + GRACE_SECONDS

    @property
    def requested(self) -> bool:
        return bool(self.signal or self.disk_full)

    def __call__(self, trial_id: str, result: dict) -> bool:
        """Whether a trial stops after the epoch or measurement that it has just finished."""
        self.unfinished_epochs.discard(trial_id)
        return self.requested

    def stop_all(self) -> bool:
        waiting = self.unfinished_epochs and time.monotonic() < self.deadline
        return self.requested and not waiting


class EventRelay(tune.Callback):
    """Passes Tune's events on to the listeners, and to the StopRequest."""

    def __init__(self, listeners: Sequence[Listener], runs: Path, stop: StopRequest):
        self.listeners, self.runs, self.stop = listeners, runs, stop

    def __getstate__(self) -> dict:
        return {"listeners": (), "runs": self.runs, "stop": None}  # Tune pickles its callbacks, displays cannot be

    def on_trial_start(self, iteration, trials, trial, **info):
        self.stop.running.add(trial.trial_id)
        for listener in self.listeners:
            listener.started(trial.config["task"]["key"])

    def on_trial_result(self, iteration, trials, trial, result, **info):
        row = json.loads(result["row"]) if "row" in result else None
        if row and "disk_full" in row:
            self.stop.disk_full = row["disk_full"]
            return
        for listener in self.listeners if row else ():
            listener.row(trial.config["task"]["key"], row)

    def on_trial_complete(self, iteration, trials, trial, **info):
        key = trial.config["task"]["key"]
        self.stop.running.discard(trial.trial_id)
        if (trial.last_result or {}).get("row") == json.dumps(None):  # else a StopRequest ended it
            self.announce_end(key, read_failure(self.runs / "trials" / key))

    def on_trial_error(self, iteration, trials, trial, **info):
        key = trial.config["task"]["key"]
        self.stop.running.discard(trial.trial_id)
        directory = self.runs / "trials" / key
        directory.mkdir(parents=True, exist_ok=True)
        traceback = "the worker died"
        if trial.error_file:
            traceback = Path(trial.error_file).read_text(encoding="utf-8", errors="replace")
        (directory / "error.log").write_text(traceback, encoding="utf-8")
        write_failure(directory, last_line(traceback), "error.log")
        self.announce_end(key, last_line(traceback))

    def announce_end(self, key: str, failure: str | None) -> None:
        for listener in self.listeners:
            listener.finished(key, failure)


def last_line(traceback: str) -> str:
    """The line of a traceback that names the exception."""
    lines = [line.strip() for line in traceback.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"


def start_ray(resources: Resources, folder: Path | None = None) -> Slots:
    """Start Ray on this machine with its files in `folder`, or join a running cluster.

    Raises ConnectionError when none can be joined at the address.
    """
    warnings.filterwarnings("ignore", module="ray")
    for name in ("ray", "ray.tune", "ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the command reports failures itself
    options = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if resources.address:
        # its workers get the code from here; they must see the runs directory under the same path
        options |= {"address": resources.address, "runtime_env": {"py_modules": [str(ROOT / "bench")]}}
        ray.init(**options)
    else:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        ray_local.init(min(cpu_count(), resources.slots * resources.cpus_per_trial), folder, **options)
    catch_signals()  # again: Ray's C++ code has replaced the handlers
    cluster = ray.cluster_resources()
    gpus = resources.gpus_per_trial
    if gpus is None:
        gpus = 1.0 if cluster.get("GPU", 0) else 0.0
    cpu_slots = int(cluster.get("CPU", 1) // resources.cpus_per_trial)
    return Slots(min(cpu_slots, gpu_slots(cluster.get("GPU", 0), gpus)) if gpus else cpu_slots, gpus)


def run_trials(
    trials: Sequence[Trial],
    runs: Path,
    data_root: Path,
    code_version: dict,
    resources: Resources,
    slots: Slots,
    listeners: Sequence[Listener],
    stop: StopRequest,
) -> None:
    """Run the trials in this order until all have finished or failed, or `stop` asks for an end.

    Results and failures are in the trials' directories.
    """
    tasks = [
        {
            "key": trial.key,
            "trial": trial.model_dump_json(),
            "directory": str(runs / "trials" / trial.key),
            "data_root": str(data_root),
            "code_version": code_version,
            "plugins": [str(path) for path in plugins.LOADED],
            "threads": resources.cpus_per_trial,
            "gpus": slots.gpus_per_trial,
        }
        for trial in trials
    ]
    storage = runs / "ray"
    shutil.rmtree(storage, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(TrialWorker, {"cpu": resources.cpus_per_trial, "gpu": slots.gpus_per_trial}),
        param_space={"task": tune.grid_search(tasks)},
        tune_config=tune.TuneConfig(reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id),
        run_config=tune.RunConfig(
            name="run",
            storage_path=str(storage),
            verbose=0,
            callbacks=[EventRelay(listeners, runs, stop)],
            stop=stop,
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )
    tuner.fit()
    shutil.rmtree(storage, ignore_errors=True)
