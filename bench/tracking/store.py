"""MLflow, and the only place that knows it: one flat run per recipe, written by the driver alone.

The trials' directories are the truth and MLflow is their index: `Tracker.index` brings a run up to what its directory
holds, whether the trial has just finished, was finished by a killed driver, or came from another machine (`ingest`).
"""

import logging
import os
import shutil
import time
import uuid
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no network at run time
os.environ.setdefault("DO_NOT_TRACK", "true")
logging.getLogger("alembic").setLevel(logging.WARNING)

from mlflow import MlflowClient  # noqa: E402, after the variables
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

logging.getLogger("mlflow").setLevel(logging.ERROR)  # its import has set INFO: a line per table made

from bench.atomic_write import write_json  # noqa: E402
from bench.run.saved_plans import UNPLANNED, flat  # noqa: E402
from bench.spec.recipe import Recipe  # noqa: E402
from bench.tracking import experiment_view  # noqa: E402
from bench.tracking.index_stamp import STAMP, portable, read_stamp, store_uri  # noqa: E402
from bench.trial_dir import read_failure, read_progress, read_results  # noqa: E402

RUNS = "bench.runs"  # tag: the runs directory that a run belongs to
MEASURED = "bench.measurements"  # tag: the measurements that a run holds
EPOCH_METRICS = ("loss", "lr", "train_sa", "train_ra", "heldout_sa", "heldout_ra", "score", "seconds")
NAMES = {"train_sa": "train/SA", "train_ra": "train/RA", "heldout_sa": "heldout/SA", "heldout_ra": "heldout/RA"}
NAMES |= {"loss": "train/loss", "lr": "train/lr", "score": "heldout/score", "seconds": "train/epoch_seconds"}


class Tracker:
    """Runs by key. Raises ConnectionError when the store cannot be reached. Use by one process at a time."""

    def __init__(self, runs: Path):
        self.runs, self.uri = runs, store_uri(runs)
        self.embedded = self.uri.startswith("sqlite") and not os.environ.get("MLFLOW_TRACKING_URI")
        runs.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        try:
            self.client = MlflowClient(self.uri)
            found = self.client.search_experiments(ViewType.ALL)
            for experiment in found:
                if experiment.lifecycle_stage == "deleted":  # in MLflow's pages: the directories still have its trials
                    self.client.restore_experiment(experiment.experiment_id)
            self.experiments = {experiment.name: experiment.experiment_id for experiment in found}
        except Exception as error:  # whatever a store's driver raises, there is no tracking without it
            raise ConnectionError(f"MLflow's store {self.uri} cannot be used: {first_line(error)}") from None
        self.ours = runs_id(runs)
        self.opened: dict[str, str] = {}  # key → id of the run that `open` has made RUNNING and `index` has not closed
        self.logged: dict[str, int] = {}  # run id → last epoch logged
        self.known: dict[str, dict] = {}  # experiment id → {key: run}

    def experiment(self, dataset: str, scale: str) -> str:
        """The id of the experiment of a data set and scale, made if need be.

        The embedded store keeps its artifacts under a server's scheme and not a path, so that a copied runs directory
        still finds them; `bench ui` serves that scheme from runs/artifacts.
        """
        name = f"{dataset} · {scale}"
        if name not in self.experiments:
            location = f"mlflow-artifacts:/{dataset}-{scale}" if self.embedded else None
            tags = {experiment_view.TAG: experiment_view.state(), "mlflow.experimentKind": "custom_model_development"}
            self.experiments[name] = made = self.client.create_experiment(name, location, tags=tags)
            self.client.set_experiment_tag(made, "mlflow.note.content", NOTE.format(link=experiment_view.link(made)))
        return self.experiments[name]

    def runs_in(self, experiment: str) -> dict:
        """{key: run} of an experiment, read once."""
        if experiment not in self.known:
            found, token = {}, None
            while token != "":
                page = self.client.search_runs([experiment], f"tags.`{RUNS}` = '{self.ours}'", page_token=token)
                found |= {run.data.tags["key"]: run for run in page if "key" in run.data.tags}
                token = page.token or ""
            self.known[experiment] = found
        return self.known[experiment]

    def reconcile(self) -> int:
        """Close the runs that a killed driver left RUNNING. Call while no trial runs. Returns their number."""
        closed = 0
        self.known.clear()  # states as they are now, not as they were when first read
        for experiment in self.experiments.values():
            for key, run in self.runs_in(experiment).items():
                if run.info.status == "RUNNING":
                    failed = read_failure(self.runs / "trials" / key)
                    self.client.set_terminated(run.info.run_id, "FAILED" if failed else "KILLED")
                    closed += 1
        self.known.clear()
        self.opened.clear()
        return closed

    def open(self, recipe: Recipe, tags: dict[str, str]) -> str:
        """The id of the recipe's run, RUNNING: a new one, or the one that an earlier try left."""
        if recipe.key in self.opened:
            return self.opened[recipe.key]
        experiment, run = self.place(recipe, tags)
        label = recipe.label
        tags = {**tags, RUNS: self.ours, "key": recipe.key, "label": label, "method": recipe.method}
        tags |= {"seed": str(recipe.seed), "mlflow.runColor": experiment_view.COLOURS.get(label, "#949494")}
        if run is None:
            run = self.client.create_run(experiment, run_name=run_name(recipe), tags=tags)
            self.known[experiment][recipe.key] = run
            params = [Param(name, value) for name, value in flat(recipe).items()]
            self.client.log_batch(run.info.run_id, params=params)
            self.logged[run.info.run_id] = 0
        else:
            self.client.log_batch(run.info.run_id, tags=[RunTag(k, v) for k, v in tags.items()])
            self.client.update_run(run.info.run_id, "RUNNING")
        self.opened[recipe.key] = run.info.run_id
        return run.info.run_id

    def place(self, recipe: Recipe, tags: dict[str, str]):
        """(experiment id, the recipe's run in it or None). A run elsewhere, from before its suite was run, is deleted;
        so is one that speaks of another training than the directory, because that was deleted and made again."""
        directory = self.runs / "trials" / recipe.key
        where = [e for e in self.experiments.values() if recipe.key in self.runs_in(e)]
        if where and tags == UNPLANNED:
            return where[0], self.runs_in(where[0])[recipe.key]
        experiment = self.experiment(recipe.dataset, tags["scale"])
        for other in where:
            run = self.runs_in(other)[recipe.key]
            measured = run.data.tags.get(MEASURED) and read_stamp(directory).get("run_id") != run.info.run_id
            ahead = self.last_epoch(run.info.run_id) > len(read_progress(directory))
            if other != experiment or measured or ahead:
                self.client.delete_run(run.info.run_id)
                self.runs_in(other).pop(recipe.key)
        return experiment, self.runs_in(experiment).get(recipe.key)

    def last_epoch(self, run_id: str) -> int:
        """The last epoch whose metrics the run holds."""
        if run_id not in self.logged:
            history = self.client.get_metric_history(run_id, NAMES["loss"])
            self.logged[run_id] = max((metric.step for metric in history), default=0)
        return self.logged[run_id]

    def log_epochs(self, run_id: str, rows: list[dict]) -> None:
        """Per-epoch metrics, each epoch once, however often a trial was killed and resumed."""
        new = [row for row in rows if row["epoch"] > self.last_epoch(run_id)]
        now = int(time.time() * 1000)
        metrics = [
            Metric(NAMES[name], row[name], now, row["epoch"])
            for row in new
            for name in EPOCH_METRICS
            if row.get(name) is not None
        ]
        for start in range(0, len(metrics), 1000):  # MLflow's limit for one batch
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])
        self.logged[run_id] = max([self.logged[run_id], *(row["epoch"] for row in new)])

    def index(self, recipe: Recipe, tags: dict[str, str]) -> None:
        """Bring the recipe's run up to what its directory holds, and close it FINISHED, FAILED or KILLED."""
        directory = self.runs / "trials" / recipe.key
        run_id = self.open(recipe, tags)
        self.log_epochs(run_id, read_progress(directory))
        results, failure = read_results(directory), read_failure(directory)
        run = self.client.get_run(run_id)  # once: a trial's questions to the store cost as much as its training
        have = set(run.data.tags.get(MEASURED, "").split())
        measurements = results.get("measurements", {})
        now, new = int(time.time() * 1000), [key for key in measurements if key not in have]
        if new:
            metrics = [metric for key in new for metric in of_probe(measurements[key], now)]
            headline = dict(results["provenance"])
            for group in ("seconds", "macs"):  # older files have no MACs
                headline |= {f"{group}_{name}": value for name, value in results.get(group, {}).items()}
            more = [RunTag(name, str(value)) for name, value in headline.items()]
            more.append(RunTag(MEASURED, " ".join(measurements)))
            self.client.log_batch(run_id, metrics=metrics, tags=more)
        files = [directory / name for name in ("recipe.json", "results.json", "progress.jsonl")]
        self.keep(run, [path for path in (*files, *sorted(directory.glob("*.safetensors"))) if path.exists()])
        if failure:
            self.client.set_tag(run_id, "failure", failure[:500])
        elif "failure" in run.data.tags:
            self.client.delete_tag(run_id, "failure")
        self.client.set_terminated(run_id, "FAILED" if failure else "FINISHED" if measurements else "KILLED")
        del self.opened[recipe.key]
        stamp = {"uri": portable(self.uri, self.runs), "experiment_id": run.info.experiment_id, "run_id": run_id}
        write_json(directory / STAMP, stamp | {"measurements": list(measurements), "tags": tags})

    def keep(self, run, paths: list[Path], folder: str = "", link: bool = True) -> None:
        """Artifacts of a run. The embedded store's are hard links where the file system has them, so weights take no
        second place on the disk; not so (`link`) what is rewritten in place, as figures are."""
        for path in paths:
            if not self.embedded:
                self.client.log_artifact(run.info.run_id, str(path), folder or None)
                continue
            target = (
                self.runs / "artifacts" / run.info.artifact_uri.removeprefix("mlflow-artifacts:/") / folder / path.name
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(path, target) if link else shutil.copyfile(path, target)
            except OSError:
                shutil.copyfile(path, target)

    def log_report(self, dataset: str, scale: str, paths: list[Path]) -> None:
        """The drawn figures, in one run per experiment that stands above the others."""
        experiment = self.experiment(dataset, scale)
        run = self.runs_in(experiment).get("report")
        if run is None:
            tags = {RUNS: self.ours, "key": "report", "method": "report", "scale": scale}
            run = self.client.create_run(experiment, run_name="figures", tags=tags)
            self.known[experiment]["report"] = run
        self.keep(run, paths, "figures", link=False)
        self.client.set_terminated(run.info.run_id, "FINISHED")


NOTE = """One run per trained network: **[the λ curves of all side by side]({link})**.

`SA` and `RA.<attack>` are test accuracies in percent with *step* = 1000·λ, so that their charts are the curves of
Fig. 8. The run **figures** holds the drawn figures. Tags say which figures use a run, and the commit and hardware it
came from."""


class Progress:
    """A runner's listener that keeps MLflow current. A store that fails on the way costs no training: `bench ingest`
    fills the index later."""

    def __init__(self, tracker: Tracker, recipes: dict[str, Recipe], tags: dict[str, dict[str, str]], warn):
        self.tracker, self.recipes, self.tags, self.warn = tracker, recipes, tags, warn
        self.open: dict[str, str] = {}

    def started(self, key: str) -> None:
        self.safely(lambda: self.open.__setitem__(key, self.tracker.open(self.recipes[key], self.tags[key])))

    def row(self, key: str, row: dict) -> None:
        if "epoch" in row and key in self.open:
            self.safely(lambda: self.tracker.log_epochs(self.open[key], [row]))

    def finished(self, key: str, failure: str | None) -> None:
        self.safely(lambda: self.tracker.index(self.recipes[key], self.tags[key]))

    def safely(self, action) -> None:
        """Call it; an error of the store becomes a warning."""
        try:
            action()
        except (MlflowException, OSError) as error:
            self.warn(f"MLflow: {first_line(error)} (the results are safe; `python -m bench ingest` adds them later)")


def of_probe(measurement: dict, now: int) -> list[Metric]:
    """The metrics of a measurement: curves of SA and RA or of alignment, and a network's cost."""
    probe, rows = measurement["measurement"].get("probe", "accuracy"), measurement["rows"]
    if probe == "accuracy":
        return curves(rows, now, ".few" if measurement["measurement"].get("few_images") else "")
    if probe == "saliency":
        return [Metric(f"alignment{of_width(row)}", row["alignment"], now, round(1000 * row["lam"])) for row in rows]
    if probe == "cost":
        names = ("macs", "parameters", "milliseconds")
        return [Metric(f"cost/{name}{of_width(row)}", row[name], now, 0) for row in rows for name in names]
    return []  # statistics of BN are an artifact, in results.json


def of_width(row: dict) -> str:
    return "" if row["width"] == 1 else f".w{row['width']:g}"


def curves(rows: list[dict], now: int, which: str = "") -> list[Metric]:
    """SA and RA in percent, at step 1000·λ, so that MLflow's own chart draws the curve against λ. `which`: what tells
    those of some test images from those of all."""
    found = []
    for row in rows:
        step, suffix = round(1000 * row["lam"]), of_width(row) + which
        for name, hits in (("SA", "clean_correct"), (f"RA.{row['attack']}", "robust_correct")):
            found.append(Metric(name + suffix, round(100 * row[hits] / row["n"], 2), now, step))
    return found


def run_name(recipe: Recipe) -> str:
    """What tells runs of one experiment apart."""
    method = " ".join([recipe.label + (f" λ={recipe.lam:g}" if recipe.method == "pgd_at" else ""), *recipe.variant])
    return f"{method} · s{recipe.seed} · lr {recipe.lr:g}"


def runs_id(runs: Path) -> str:
    """A name for the runs directory that moves with it: in a shared store it tells our runs from others'."""
    path = runs / "id"
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:12] + "\n")
    return path.read_text().strip()


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
