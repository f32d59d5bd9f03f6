"""Write trials to MLflow: one run per recipe, nested under its curve's, written by the driver alone.

The trials' directories are the truth and MLflow is their index: `MlflowWriter.index_trial` brings a run up to what its
directory holds, whether the trial has just finished, was finished by a killed driver, or came from another machine
(`ingest`).
"""

import functools
import logging
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage, Metric, Param, Run, RunTag, ViewType

from bench.spec.recipe import Recipe
from bench.spec.recipe_text import flat_fields
from bench.tracking import curve_runs, embedded_store, experiment_page, figures_run, run_tags
from bench.tracking.curves import COLOURS, OTHER_COLOURS, curve_key
from bench.tracking.mlflow_metrics import EPOCH_METRICS, epoch_metrics, measurement_metrics
from bench.tracking.mlflow_run_record import embedded_store_id, read_index_record, write_index_record
from bench.tracking.run_times import milliseconds_spent, start_time
from bench.tracking.runs_id import read_runs_id
from bench.tracking.store_address import is_embedded, portable_uri, store_uri, without_passwords
from bench.trial_dir import read_failure, read_progress, read_results

logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # INFO: a line per table; ERROR: a traceback beside our line

METRICS_PER_BATCH = 1000  # MLflow's limit
START_SERVER = "start the server, or unset MLFLOW_TRACKING_URI to use a store in --runs"


ONE_AT_A_TIME = threading.RLock()  # where Ray has broken, a thread closes the runs that the main one may be writing


def one_at_a_time(method: Callable) -> Callable:
    """Run the method in one thread at a time, so that no other thread changes a run between its reading and writing."""

    @functools.wraps(method)
    def in_turn(*arguments, **options):
        with ONE_AT_A_TIME:
            return method(*arguments, **options)

    return in_turn


class MlflowWriter:
    """Writes the MLflow runs of one runs directory. For one process at a time.

    In a store that others share it reads all experiments, and changes only experiments that this suite made and runs
    of its own. With `repair`, an embedded store that cannot be opened is replaced by an empty one; `set_aside` is then
    where it lies. Raises ConnectionError when the store cannot be reached or opened.
    """

    def __init__(self, runs: Path, repair: bool = False):
        self.runs, self.uri, self.embedded = runs, store_uri(runs), is_embedded()
        self.set_aside: Path | None = None
        runs.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        try:
            experiments = self.open_store()
        except Exception as error:  # each store's driver raises errors of its own
            if not (repair and self.embedded and embedded_store.is_damage(error)):
                reason = first_line(error) if self.embedded else f"{START_SERVER}: {first_line(error)}"
                raise ConnectionError(f"MLflow's store {self.shown_uri} cannot be used: {reason}") from None
            self.set_aside = embedded_store.set_aside(runs / "mlflow.db")
            experiments = self.open_store()
        ours = [e for e in experiments if self.embedded or experiment_page.TAG in e.tags]
        self.experiment_ids = {e.name: e.experiment_id for e in ours if not is_deleted(e)}
        self.deleted_ids = {e.name: e.experiment_id for e in ours if is_deleted(e)}
        self.views = {e.experiment_id: e.tags.get(experiment_page.TAG) for e in ours}
        self.other_names = {e.name for e in experiments} - {e.name for e in ours}
        self.runs_id = read_runs_id(runs)
        self.open_run_ids: dict[str, str] = {}  # trial key → id of its run, from `open_run` to `index_trial`
        self.logged_epochs: dict[str, int] = {}  # run id → last epoch logged
        self.runs_cache: dict[str, dict[str, Run]] = {}  # experiment id → {trial key: run}

    @property
    def shown_uri(self) -> str:
        """The store's URI for messages."""
        return without_passwords(self.uri)

    def open_store(self) -> list[Experiment]:
        """Open the store, made if need be. Returns all its experiments, deleted ones included."""
        if self.embedded:
            path = self.runs / "mlflow.db"
            is_there = path.exists() and path.stat().st_size  # SQLite takes an empty file for an empty database
            embedded_store.check(path) if is_there else embedded_store.create(path)
        self.client = MlflowClient(self.uri)
        experiments, token = [], None
        while token != "":
            page = self.client.search_experiments(ViewType.ALL, page_token=token)
            experiments += page
            token = page.token or ""
        return experiments

    def is_usable(self, name: str) -> bool:
        """Whether an experiment of this name is ours, restored if need be, or can be made.

        Names are unique in a store, those of other teams' and of deleted experiments included.
        """
        return name not in self.other_names and (name not in self.deleted_ids or self.restore_if_ours(name))

    def restore_if_ours(self, name: str) -> bool:
        """Undo the deletion of an experiment in MLflow's pages: the trials' directories still exist.

        In a shared store only of an experiment that holds runs of this directory. Returns whether it was restored.
        """
        experiment_id = self.deleted_ids[name]
        only_ours = f"tags.`{run_tags.RUNS_ID_TAG}` = '{self.runs_id}'"
        if not self.embedded and not self.client.search_runs([experiment_id], only_ours, ViewType.ALL, max_results=1):
            return False
        self.client.restore_experiment(experiment_id)
        self.experiment_ids[name] = self.deleted_ids.pop(name)
        return True

    def experiment_id(self, dataset: str, scale: str) -> str:
        """The id of the experiment of a data set and scale, which is created if need be.

        The embedded store refers to artifacts by a server's scheme, not by a path, so that a copied runs directory
        still finds them; `bench ui` serves that scheme from runs/artifacts.
        """
        name = f"{dataset} · {scale}"
        if not self.is_usable(name):
            name += f" · {self.runs_id}"
            self.is_usable(name)
        if name not in self.experiment_ids:
            location = f"mlflow-artifacts:/{dataset}-{scale}" if self.embedded else None
            tags = {experiment_page.TAG: "", "mlflow.experimentKind": experiment_page.KIND}
            self.experiment_ids[name] = self.client.create_experiment(name, location, tags=tags)
        self.write_view(self.experiment_ids[name])
        return self.experiment_ids[name]

    def write_view(self, experiment_id: str) -> None:
        """Give the experiment this version's view and note, unless it has the view."""
        view = experiment_page.view_state()
        if self.views.get(experiment_id) != view:
            self.client.set_experiment_tag(experiment_id, run_tags.NOTE_TAG, experiment_page.note(experiment_id))
            self.client.set_experiment_tag(experiment_id, experiment_page.TAG, view)
            self.views[experiment_id] = view

    def runs_in(self, experiment_id: str) -> dict[str, Run]:
        """{trial key: run} of our runs in an experiment, read from the store once."""
        if experiment_id not in self.runs_cache:
            runs, token = {}, None
            while token != "":
                only_ours = f"tags.`{run_tags.RUNS_ID_TAG}` = '{self.runs_id}'"
                page = self.client.search_runs([experiment_id], only_ours, page_token=token)
                runs |= {run.data.tags["key"]: run for run in page if "key" in run.data.tags}
                token = page.token or ""
            self.runs_cache[experiment_id] = runs
        return self.runs_cache[experiment_id]

    @one_at_a_time
    def close_abandoned_runs(self) -> int:
        """Close the runs that a killed driver left RUNNING; returns their number. Call while no trial runs."""
        closed = 0
        self.runs_cache.clear()  # their states may have changed since they were read
        for experiment_id in self.experiment_ids.values():
            for key, run in self.runs_in(experiment_id).items():
                if run.info.status == "RUNNING":
                    directory = self.runs / "trials" / key
                    end = run.info.start_time + milliseconds_spent(read_results(directory), read_progress(directory))
                    self.client.set_terminated(run.info.run_id, "FAILED" if read_failure(directory) else "KILLED", end)
                    closed += 1
        self.runs_cache.clear()
        self.open_run_ids.clear()
        return closed

    def open_run(self, recipe: Recipe, tags: dict[str, str], is_starting: bool = True) -> str:
        """Set the recipe's run to RUNNING, creating it if need be. Returns its id. is_starting: nest it at once."""
        if recipe.key in self.open_run_ids:
            return self.open_run_ids[recipe.key]
        experiment_id, run = self.find_run(recipe, tags)
        start = start_time(read_progress(self.runs / "trials" / recipe.key, recipe.key))
        tags = {
            **tags,
            run_tags.RUNS_ID_TAG: self.runs_id,
            run_tags.LAYOUT_TAG: run_tags.LAYOUT,
            "key": recipe.key,
            "label": recipe.label,
            "method": recipe.method,
            "seed": str(recipe.seed),
            run_tags.CURVE_TAG: curve_key(recipe),
        }
        if is_starting:
            tags[run_tags.PARENT_TAG] = curve_runs.open_curve_run(self, experiment_id, recipe, start)
        if run is None:
            tags[run_tags.COLOUR_TAG] = COLOURS.get(recipe.label, OTHER_COLOURS[0])
            run = self.client.create_run(experiment_id, start, tags, recipe.name)
            self.runs_in(experiment_id)[recipe.key] = run
            params = [Param(name, value) for name, value in flat_fields(recipe).items()]
            self.client.log_batch(run.info.run_id, params=params)
            self.logged_epochs[run.info.run_id] = 0
        else:
            self.client.log_batch(run.info.run_id, tags=[RunTag(k, v) for k, v in tags.items()])
            self.client.update_run(run.info.run_id, "RUNNING")
        self.open_run_ids[recipe.key] = run.info.run_id
        return run.info.run_id

    def find_run(self, recipe: Recipe, tags: dict[str, str]) -> tuple[str, Run | None]:
        """(id of the experiment that the recipe's run belongs to, its run there or None).

        Deletes the recipe's runs in other experiments, where it was before its suite was run, and a run that describes
        an earlier training, whose directory was deleted and made again.
        """
        containing = [e for e in self.experiment_ids.values() if recipe.key in self.runs_in(e)]
        is_there = containing and tags == run_tags.UNPLANNED
        experiment_id = containing[0] if is_there else self.experiment_id(recipe.dataset, tags["scale"])
        for other_id in containing:
            if other_id != experiment_id or self.is_outdated(self.runs_in(other_id)[recipe.key], recipe.key):
                run = self.runs_in(other_id).pop(recipe.key)
                self.client.delete_run(run.info.run_id)
        return experiment_id, self.runs_in(experiment_id).get(recipe.key)

    def is_outdated(self, run: Run, key: str) -> bool:
        """Whether the run describes another training than the trial's directory, or has an earlier version's layout."""
        if run.data.tags.get(run_tags.LAYOUT_TAG) != run_tags.LAYOUT:
            return True
        directory = self.runs / "trials" / key
        has_measurements = run.data.tags.get(run_tags.MEASUREMENTS_TAG)
        if has_measurements and read_index_record(directory).get("run_id") != run.info.run_id:
            return True
        return self.last_epoch(run.info.run_id) > len(read_progress(directory))

    def last_epoch(self, run_id: str) -> int:
        """The last epoch whose metrics the run holds."""
        if run_id not in self.logged_epochs:
            history = self.client.get_metric_history(run_id, EPOCH_METRICS["loss"])
            self.logged_epochs[run_id] = max((metric.step for metric in history), default=0)
        return self.logged_epochs[run_id]

    def log_epochs(self, run_id: str, rows: list[dict]) -> None:
        """Log the metrics of the epochs that the run lacks, so that a resumed trial logs each epoch once."""
        new_rows = [row for row in rows if row["epoch"] > self.last_epoch(run_id)]
        self.log_metrics(run_id, epoch_metrics(new_rows))
        self.logged_epochs[run_id] = max([self.logged_epochs[run_id], *(row["epoch"] for row in new_rows)])

    def log_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        for start in range(0, len(metrics), METRICS_PER_BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_BATCH])

    @one_at_a_time
    def index_trial(self, recipe: Recipe, tags: dict[str, str]) -> None:
        """Bring the recipe's run up to what its directory holds, and close it as FINISHED, FAILED or KILLED."""
        directory = self.runs / "trials" / recipe.key
        run_id = self.open_run(recipe, tags, is_starting=False)
        rows = read_progress(directory, recipe.key)
        self.log_epochs(run_id, rows)
        results, failure = read_results(directory, recipe.key), read_failure(directory, recipe.key)
        run = self.client.get_run(run_id)  # once: queries to the store can take as long as a small trial's training
        self.log_measurements(run, results, recipe.seed)
        files = [directory / name for name in ("recipe.json", "results.json", "progress.jsonl")]
        files += sorted(directory.glob("*.safetensors"))
        self.log_artifacts(run, [path for path in files if path.is_file()])
        if failure:
            self.client.set_tag(run_id, "failure", failure[:500])
        elif "failure" in run.data.tags:
            self.client.delete_tag(run_id, "failure")
        measurements = list(results.get("measurements", {}))
        status = "FAILED" if failure else "FINISHED" if measurements else "KILLED"
        self.client.set_terminated(run_id, status, run.info.start_time + milliseconds_spent(results, rows))
        del self.open_run_ids[recipe.key]
        record = {"uri": portable_uri(self.uri, self.runs), "experiment_id": run.info.experiment_id, "run_id": run_id}
        if self.embedded:
            record["store"] = embedded_store_id(self.runs)
        record |= {"layout": run_tags.LAYOUT, "runs_id": self.runs_id, "measurements": measurements, "tags": tags}
        write_index_record(directory, record)

    def log_measurements(self, run: Run, results: dict, network_seed: int) -> None:
        """Log the measurements of results.json that the run lacks, with provenance, times and MACs as tags."""
        logged_keys = set(run.data.tags.get(run_tags.MEASUREMENTS_TAG, "").split())
        measurements = results.get("measurements", {})
        new_keys = [key for key in measurements if key not in logged_keys]
        if not new_keys:
            return
        metrics = [metric for key in new_keys for metric in measurement_metrics(measurements[key], network_seed)]
        tags = dict(results["provenance"])
        for group in ("seconds", "macs"):
            tags |= {f"{group}_{name}": value for name, value in results[group].items()}
        tags[run_tags.MEASUREMENTS_TAG] = " ".join(measurements)
        as_tags = [RunTag(name, str(value)) for name, value in tags.items()]
        self.client.log_batch(run.info.run_id, metrics=metrics, tags=as_tags)

    def complete(self, plans: Iterable[dict], figures: Collection[str] | None = None) -> None:
        """Add the drawn figures and complete the curves' runs. Call once the trials are indexed; figures: None: all."""
        figures_run.log_report(self, self.runs / "report", plans, figures)
        curve_runs.write_curve_runs(self)

    def log_artifacts(self, run: Run, paths: list[Path], folder: str = "", hard_links: bool = True) -> None:
        """Add files to the run's artifacts.

        The embedded store's are hard links where the file system has them, so that weights use no second space on the
        disk. Files that are later rewritten in place, such as figures, need `hard_links=False`.
        """
        for path in paths:
            if not self.embedded:
                self.client.log_artifact(run.info.run_id, str(path), folder or None)
                continue
            run_folder = run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
            target = self.runs / "artifacts" / run_folder / folder / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(path, target) if hard_links else shutil.copyfile(path, target)
            except OSError:
                shutil.copyfile(path, target)


def is_deleted(experiment: Experiment) -> bool:
    return experiment.lifecycle_stage == LifecycleStage.DELETED


def first_line(error: BaseException) -> str:
    """The first line of the error's text, without passwords, and without SQLAlchemy's remark on when it was raised."""
    lines = [line for line in str(error).splitlines() if not line.startswith("(raised as a result of")]
    return without_passwords((lines or [type(error).__name__])[0])
