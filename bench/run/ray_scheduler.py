"""Schedule trials with Ray Tune: reused workers, retries of crashed ones, and events to listeners on the driver.

Tune only schedules. The state of a trial is in its own directory (bench/trial_dir.py), so each command runs a new Tuner
on what is missing. Tune's own restore could not follow an edited suite.
"""

import json
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.run import ray_environment  # noqa: F401, sets variables that Ray reads on import

# isort: split
import ray
from ray import tune

from bench.interruption import raise_interrupted
from bench.run.ray_worker import ALL_STOP, TrialWorker
from bench.run.workers import default_share, slots_of
from bench.spec import plugins
from bench.spec.trial import Trial
from bench.trial_dir import read_failure, read_progress, read_results, write_failure

GRACE_SECONDS = 5  # after SIGTERM; Docker kills after 10 s, SLURM after 30
RETRIES = 2  # of a trial whose worker died or raised before it had finished one more epoch or measurement


class Listener(Protocol):
    """Receives the events of trials, by key, on the driver."""

    def started(self, key: str) -> None: ...
    def row(self, key: str, row: dict) -> None: ...
    def finished(self, key: str, failure: str | None) -> None: ...


@dataclass(frozen=True)
class Slots:
    """What the started Ray offers: `count` trials at once, each with `gpus_per_trial` GPUs."""

    count: int
    gpus_per_trial: float


class StopRequest(tune.Stopper):
    """Whether the trials have to stop before they are finished: after a signal, on a full disk, or where a node
    cannot be used.

    Ctrl-C stops them at once. After other signals each running trial may finish its epoch, within GRACE_SECONDS.
    """

    def __init__(self):
        self.signal: int | None = None
        self.disk_full: str | None = None
        self.unusable_node: str | None = None
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
        return bool(self.signal or self.disk_full or self.unusable_node)

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
        self.steps_at_death: dict[str, int] = {}  # by trial key: epochs and measurements that were finished

    def __getstate__(self) -> dict:
        # Tune pickles its callbacks, and displays cannot be
        return {"listeners": (), "runs": self.runs, "stop": None, "steps_at_death": self.steps_at_death}

    def on_trial_start(self, iteration, trials, trial, **info):
        self.stop.running.add(trial.trial_id)
        for listener in self.listeners:
            listener.started(trial.config["task"]["key"])

    def on_trial_result(self, iteration, trials, trial, result, **info):
        row = json.loads(result["row"]) if "row" in result else None
        for name in ALL_STOP if row else ():
            if name in row:
                setattr(self.stop, name, row[name])
                return
        self.forgive_deaths(trial)
        for listener in self.listeners if row else ():
            listener.row(trial.config["task"]["key"], row)

    def on_trial_recover(self, iteration, trials, trial, **info):
        key = trial.config["task"]["key"]
        self.steps_at_death[key] = self.finished_steps(key)

    def forgive_deaths(self, trial) -> None:
        """Let a trial that has gone on since its last death have all its retries again: a node that was lost or
        preempted is no failure of the trial."""
        key = trial.config["task"]["key"]
        if key in self.steps_at_death and self.finished_steps(key) > self.steps_at_death[key]:
            trial.run_metadata.num_failures = 0
            del self.steps_at_death[key]

    def finished_steps(self, key: str) -> int:
        """Epochs and measurements that a resumed trial does not repeat."""
        directory = self.runs / "trials" / key
        return len(read_progress(directory, key)) + len(read_results(directory, key).get("measurements", {}))

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


def slots_of_ray(cpus_per_trial: int, gpus_per_trial: float | None) -> Slots:
    """What the started Ray offers on this machine."""
    resources = ray.cluster_resources()
    gpus = resources.get("GPU", 0)
    share = default_share(gpus) if gpus_per_trial is None else gpus_per_trial
    return Slots(slots_of(resources.get("CPU", 1), gpus, cpus_per_trial, share), share)


def run_trials(
    trials: Sequence[Trial],
    runs: Path,
    data_root: Path,
    code_version: dict,
    cpus_per_trial: int,
    slots: Slots,
    listeners: Sequence[Listener],
    stop: StopRequest,
    node_check: dict | None = None,
) -> None:
    """Run the trials in this order until all have finished or failed, or `stop` asks for an end.

    Results and failures are in the trials' directories. node_check: what a worker checks before its first trial, see
    bench/run/node_check.py.
    """
    tasks = [
        {
            "key": trial.key,
            "trial": trial.model_dump_json(),
            "directory": str(runs / "trials" / trial.key),
            "data_root": str(data_root),
            "code_version": code_version,
            "plugins": [str(path) for path in plugins.LOADED],
            "threads": cpus_per_trial,
            "gpus": slots.gpus_per_trial,
            "node_check": node_check,
        }
        for trial in trials
    ]
    storage = runs / "ray"
    shutil.rmtree(storage, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(TrialWorker, {"cpu": cpus_per_trial, "gpu": slots.gpus_per_trial}),
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
