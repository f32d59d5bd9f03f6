"""One command from request to figures: plan it, run what is missing, keep MLflow current, draw the report."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import data, plans, provenance
from bench.display import Display, duration
from bench.errors import BadInput
from bench.estimate import Estimator, wall_seconds
from bench.models.precision import best_precision
from bench.specs import Recipe, Trial
from bench.suite import Options, Plan
from bench.suite import plan as make_plan
from bench.trial import read_failure, unfinished


@dataclass(frozen=True)
class Request:
    """The arguments that `plan` and `run` share, as they were typed."""

    suites: tuple[Path, ...]
    scale: str
    only: tuple[str, ...]
    datasets: tuple[str, ...]
    seeds: int | None
    settings: tuple[str, ...]
    runs: Path
    data_root: Path

    def plans(self) -> list[Plan]:
        """One plan per suite file. Raises BadInput or DataError."""
        sources = {}
        for text in self.datasets:
            name, equals, path = text.partition("=")
            if equals and not path:
                raise BadInput(f"--dataset {text}: a path is expected after `=`")
            sources[name] = path if path in data.NAMES else str(Path(path).resolve()) if path else name
        precision = best_precision(torch.cuda.is_available())
        options = Options(self.only, sources, self.seeds, self.settings, precision, self.data_root.resolve())
        return [make_plan(path, self.scale, options) for path in self.suites]


@dataclass(frozen=True)
class Job:
    """All suites of a request together: each network once, with its panels' data and its cost."""

    plans: list[Plan]
    trials: list[Trial]
    infos: dict[str, data.Info]  # by trial key
    costs: dict[str, dict]  # by trial key, see Estimator.trial

    def left(self, runs: Path) -> list[Trial]:
        """Trials that lack something, longest first, so that the last slots do not wait for a long one."""
        left = [t for t in self.trials if unfinished(t, runs / "trials" / t.key)]
        return sorted(left, key=lambda t: -self.costs[t.key]["seconds_left"])


def prepare(request: Request, runs: Path) -> Job:
    made = request.plans()
    merged: dict[str, Trial] = {}
    infos: dict[str, data.Info] = {}
    for plan in made:
        infos |= {trial.key: panel.info for panel in plan.panels for trial in panel.trials}
        for trial in plan.trials:
            have = merged.setdefault(trial.key, trial)
            more = tuple(what for what in trial.measurements if what not in have.measurements)
            merged[trial.key] = have.model_copy(update={"measurements": have.measurements + more})
    estimator = Estimator(runs, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    costs = {key: estimator.trial(trial, infos[key]) for key, trial in merged.items()}
    return Job(made, list(merged.values()), infos, costs)


def slots_here(cpus_per_trial: int, gpus_per_trial: float | None) -> int:
    """Trials at once on this machine, without asking Ray."""
    cpus = len(os.sched_getaffinity(0)) // cpus_per_trial
    gpus = torch.cuda.device_count()
    share = gpus_per_trial if gpus_per_trial is not None else (1.0 if gpus else 0.0)
    return max(1, min(cpus, int(gpus / share)) if share else cpus)


def preview(request: Request, cpus_per_trial: int, gpus_per_trial: float | None, as_json: bool, out: Console) -> None:
    """The `plan` verb."""
    runs = request.runs.resolve()
    job, slots = prepare(request, runs), slots_here(cpus_per_trial, gpus_per_trial)
    if as_json:
        print(json.dumps(as_dict(job, runs, slots), ensure_ascii=False))
        return
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("key", "network", "for", "", "time left"):
        table.add_column(column, no_wrap=True)
    for trial in as_dict(job, runs, slots)["trials"]:
        what = "cached" if trial["cached"] else "failed before" if trial["failed_before"] else ""
        where = " ".join(f"{e['experiment']}:{','.join(e['figures'])}" for e in trial["experiments"])
        table.add_row(trial["key"][:8], trial["name"], where, what, duration(3600 * trial["hours_left"]))
    out.print(table)
    out.print(summary(job, runs, slots))


def summary(job: Job, runs: Path, slots: int) -> str:
    """ "24 networks (20 saved by sharing, 3 cached), 1.2e12 MACs, about 3 min on this machine"."""
    left = job.left(runs)
    shown = sum(len(panel.trials) for plan in job.plans for panel in plan.panels)
    macs = sum(cost["macs"] for cost in job.costs.values())
    wall = wall_seconds([job.costs[t.key]["seconds_left"] for t in left], slots)
    saved = f", {shown - len(job.trials)} more shared between panels" if shown > len(job.trials) else ""
    cached = len(job.trials) - len(left)
    parts = [f"{len(job.trials)} networks{saved}", f"{cached} cached", f"{macs:.2g} multiply–accumulates in all"]
    parts.append(
        f"about {duration(wall)} left on this machine with {slots} at a time" if left else "nothing left to do"
    )
    return "; ".join(parts)


def as_dict(job: Job, runs: Path, slots: int) -> dict:
    """What `plan --json` prints."""
    where: dict[str, list[dict]] = {}
    for plan in job.plans:
        for panel in plan.panels:
            entry = {"suite": plan.suite, "experiment": panel.experiment, "figures": list(panel.figures)}
            for trial in panel.trials:
                where.setdefault(trial.key, []).append(entry)
    trials = [
        {
            "key": trial.key,
            "name": trial.recipe.name,
            "cached": not unfinished(trial, runs / "trials" / trial.key),
            "failed_before": read_failure(runs / "trials" / trial.key) is not None,
            "experiments": where[trial.key],
            "method": trial.recipe.method,
            "norm": trial.recipe.norm,
            "dataset": trial.recipe.dataset,
            "arch": trial.recipe.arch,
            "lam": trial.recipe.lam,
            "lr": trial.recipe.lr,
            "seed": trial.recipe.seed,
            "macs": job.costs[trial.key]["macs"],
            "hours": job.costs[trial.key]["seconds"] / 3600,
            "hours_left": job.costs[trial.key]["seconds_left"] / 3600,
        }
        for trial in job.trials
    ]
    left = [t["hours_left"] for t in trials if not t["cached"]]
    return {
        "trials": trials,
        "cost": {
            "macs": sum(t["macs"] for t in trials),
            "trial_hours": sum(t["hours"] for t in trials),
            "wall_hours_left": wall_seconds(left, slots) if left else 0.0,
            "slots": slots,
            "machine": provenance.cpu_name() if not torch.cuda.is_available() else torch.cuda.get_device_name(),
            "shared": sum(len(p.trials) for plan in job.plans for p in plan.panels) - len(trials),
        },
    }


@contextmanager
def only_driver(runs: Path) -> Iterator[None]:
    """One driver per runs directory. The lock goes with the process, however it ends."""
    runs.mkdir(parents=True, exist_ok=True)
    with open(runs / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"another command is running trials in {runs}: wait for it, or choose --runs") from None
        yield


def execute(
    request: Request,
    cpus_per_trial: int,
    gpus_per_trial: float | None,
    address: str | None,
    console: Console,
    command: str,
) -> int:
    """The `run` verb. Returns the exit code."""
    runs, began = request.runs.resolve(), time.monotonic()
    job = prepare(request, runs)
    for source in {trial.source for trial in job.trials}:
        data.require(source, request.data_root.resolve())
    with only_driver(runs):
        for plan in job.plans:
            plans.write(plan, runs, command)
        left = job.left(runs)
        console.print(summary(job, runs, slots_here(cpus_per_trial, gpus_per_trial)), soft_wrap=True)
        interrupted = False
        if left or stale(job, runs):
            interrupted = work(
                job, left, runs, request.data_root.resolve(), cpus_per_trial, gpus_per_trial, address, console
            )
        pages = draw(job, runs, console)
        unfinished_now = [t for t in left if unfinished(t, runs / "trials" / t.key)]
        failures = {t.key: read_failure(runs / "trials" / t.key) for t in unfinished_now}
        failures = {key: reason for key, reason in failures.items() if reason}
        conclude(job, left, unfinished_now, failures, pages, time.monotonic() - began, runs, console)
    if interrupted or len(unfinished_now) > len(failures):
        console.print("interrupted: the same command goes on from here")
        return 130
    return 1 if failures else 0


def stale(job: Job, runs: Path) -> list[Trial]:
    """Finished trials that MLflow's index does not hold completely."""
    from bench.stamp import is_indexed

    return [t for t in job.trials if not unfinished(t, runs / "trials" / t.key) and not is_indexed(runs, t.key)]


def work(job: Job, left, runs, data_root, cpus_per_trial, gpus_per_trial, address, console) -> bool:
    """Bring MLflow up to date, and run what is left. Returns whether it was interrupted."""
    from bench.tracking import Progress, Tracker

    try:
        tracker = Tracker(runs)
    except ConnectionError as error:
        raise BadInput(str(error)) from None
    recipes: dict[str, Recipe] = {trial.key: trial.recipe for trial in job.trials}
    tags = plans.tags(runs)
    closed = tracker.reconcile()
    if closed:
        console.print(f"{closed} runs that an earlier command left open were closed")
    for trial in stale(job, runs):
        tracker.index(trial.recipe, tags[trial.key])
    if not left:
        return False
    from bench import runner  # Ray takes a second to import, so only when something is to be run

    resources = runner.Resources(cpus_per_trial, gpus_per_trial, address)
    try:
        slots = runner.start(resources)
    except (ConnectionError, ValueError) as error:
        raise BadInput(f"--address {address}: {error}") from None
    if slots.count < 1:
        raise BadInput(f"a trial asks for {cpus_per_trial} CPUs and {slots.gpus_per_trial:g} GPUs, more than there are")
    seconds = {key: cost["seconds_left"] for key, cost in job.costs.items()}
    with Display(console, left, seconds, slots.count, len(job.trials)) as display:
        listeners = (display, Progress(tracker, recipes, tags, lambda text: display.say(text, "yellow")))
        return runner.execute(
            left, runs, data_root, {f"git_{k}": v for k, v in provenance.git().items()}, resources, slots, listeners
        )


def draw(job: Job, runs: Path, console: Console) -> list[Path]:
    """The figures of this job, drawn from all that has finished, also into MLflow."""
    from reports.build import ReportError, build

    figures = sorted({f for plan in job.plans for panel in plan.panels for f in panel.figures}, key=plans.figure_order)
    try:
        written = build(figures, runs, runs / "report", job.plans[0].scale)
    except ReportError as error:
        console.print(Text(f"no report: {error}", style="yellow"))
        return []
    return written


def conclude(job: Job, tried, unfinished_now, failures, pages, seconds, runs: Path, console: Console) -> None:
    """The last lines: what was done, what failed and where its log is, where to look."""
    done = len(tried) - len(unfinished_now)
    cached = len(job.trials) - len(tried)
    console.print(
        f"{done} networks trained or measured, {cached} cached, {len(failures)} failed, in {duration(seconds)}"
    )
    names = {trial.key: trial.recipe.name for trial in job.trials}
    for key, reason in failures.items():
        log = json.loads((runs / "trials" / key / "failure.json").read_text())["log"]
        where = runs / "trials" / key / log
        console.print(Text(f"failed: {names[key]}: {reason} (log: {where})", style="red"), soft_wrap=True)
    index = [path for path in pages if path.name == "index.html"]
    for page in index:
        console.print(f"report: {page}   runs: make ui", soft_wrap=True)


def ingest(runs: Path, console: Console) -> int:
    """Rebuild MLflow's index from the directories of all planned trials. Returns the number of runs in it."""
    from bench.tracking import Tracker

    if not (runs / "trials").is_dir():
        raise BadInput(f"{runs} holds no trials: give the directory that holds trials/ with --runs")
    with only_driver(runs):
        tags, count = plans.tags(runs), 0
        try:
            tracker = Tracker(runs)
        except ConnectionError as error:
            raise BadInput(str(error)) from None
        tracker.reconcile()
        for directory in sorted((runs / "trials").iterdir()):
            try:
                recipe = Recipe.model_validate_json((directory / "recipe.json").read_text())
            except (OSError, ValueError):
                console.print(f"{directory.name}: no readable recipe.json, left out", style="yellow")
                continue
            tracker.index(recipe, tags.get(recipe.key, plans.UNPLANNED))
            count += 1
    return count
