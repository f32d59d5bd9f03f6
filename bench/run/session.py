"""The `run` verb: run what is missing, keep MLflow current, draw the report, say what happened. And `ingest`."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench import data
from bench.errors import BadInput
from bench.run import provenance, saved_plans
from bench.run.execution_plan import Job, Request
from bench.run.progress_display import Display, duration
from bench.run.resume import is_unfinished, surrogate_is_ready
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial
from bench.tracking.index_stamp import is_indexed
from bench.trial_dir import read_failure


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


def execute(request: Request, address: str | None, console: Console, command: str) -> int:
    """Returns the exit code: 0 all done, 1 a trial failed, 130 interrupted."""
    began, job = time.monotonic(), Job.of(request)
    for source in {trial.source for trial in job.trials}:
        data.require_archives(source, request.data_root)
    with only_driver(request.runs):
        for plan in job.plans:
            saved_plans.write(plan, request.runs, command)
        console.print(job.summary(), soft_wrap=True)
        tracker = open_index(job, console) if job.left or stale(job) else None
        if job.left:
            work(job, tracker, address, console)
        pages = draw(job, tracker, console)
    not_done = [trial for trial in job.left if is_unfinished(trial, job.directory(trial))]
    failures = {trial: read_failure(job.directory(trial)) for trial in not_done}
    failures = {trial: reason for trial, reason in failures.items() if reason}
    conclude(job, len(not_done), failures, pages, time.monotonic() - began, console)
    if len(not_done) > len(failures):
        console.print("interrupted: the same command goes on from here")
        return 130
    return 1 if failures else 0


def stale(job: Job) -> list[Trial]:
    """Finished trials that MLflow's index does not hold completely."""
    runs, tags = job.request.runs, saved_plans.tags(job.request.runs)
    finished = [trial for trial in job.trials if not is_unfinished(trial, job.directory(trial))]
    return [trial for trial in finished if not is_indexed(runs, trial.key, tags[trial.key])]


def open_index(job: Job, console: Console):
    """MLflow's index with nothing left open by a killed driver, and every finished trial in it."""
    waiting = stale(job)  # asked before the store is made, which a lost one is
    from bench.tracking.store import Tracker  # MLflow takes seconds to import, so only when something is to be written

    try:
        tracker = Tracker(job.request.runs)
    except ConnectionError as error:
        raise BadInput(str(error)) from None
    closed = tracker.reconcile()
    if closed:
        console.print(f"{closed} runs that an earlier command left open were closed")
    index(waiting, job, tracker, console)
    return tracker


def index(trials: list[Trial], job: Job, tracker, console: Console) -> None:
    """Bring these trials' runs up to their directories. A store that fails costs a warning and no result."""
    from bench.tracking.store import Progress

    progress = Progress(
        tracker, {t.key: t.recipe for t in trials}, saved_plans.tags(job.request.runs), warning(console)
    )
    for trial in trials:
        progress.finished(trial.key, None)


def warning(console: Console):
    return lambda text: console.print(Text(text, style="yellow"), soft_wrap=True)


def work(job: Job, tracker, address: str | None, console: Console) -> None:
    """Run what is left. What it has come to, the trials' directories say."""
    from bench.run import ray_scheduler  # as with MLflow
    from bench.tracking.store import Progress

    request = job.request
    resources = ray_scheduler.Resources(request.cpus_per_trial, request.gpus_per_trial, address)
    try:
        slots = ray_scheduler.start(resources)
    except (ConnectionError, ValueError) as error:
        raise BadInput(f"--address {address}: {str(error).splitlines()[0]}") from None
    if slots.count < 1:
        asked = f"{request.cpus_per_trial} CPUs and {slots.gpus_per_trial:g} GPUs"
        raise BadInput(f"a trial asks for {asked}, more than there are")
    for trial in job.left:  # what failed before is tried again, and is no failure of this command until it fails again
        (job.directory(trial) / "failure.json").unlink(missing_ok=True)
    recipes = {trial.key: trial.recipe for trial in job.trials}
    seconds = {key: cost["seconds_left"] for key, cost in job.costs.items()}
    commit = {f"git_{name}": value for name, value in provenance.git().items()}
    left = job.left
    while left:  # a second time for networks that others overtook, whose weights they are measured with
        with Display(console, left, seconds, slots.count, len(job.trials)) as display:
            progress = Progress(
                tracker, recipes, saved_plans.tags(request.runs), lambda text: display.say(text, "yellow")
            )
            ray_scheduler.execute(left, request.runs, request.data_root, commit, resources, slots, (display, progress))
        left = [trial for trial in left if is_unfinished(trial, job.directory(trial))]
        left = left if all(surrogate_is_ready(trial, job.directory(trial)) for trial in left) else []
    index(stale(job), job, tracker, console)  # what the listeners were not told of, as under a Ray Client
    progress.safely(tracker.reconcile)  # what an interrupt left open


def draw(job: Job, tracker, console: Console) -> list[Path]:
    """The figures of this job, from all that has finished; into MLflow too when it is open."""
    from reports.build import ReportError, build
    from reports.figures import FIGURES

    wanted = sorted(
        {f for plan in job.plans for panel in plan.panels for f in panel.figures}, key=saved_plans.figure_order
    )
    for name in wanted:
        if name not in FIGURES:
            warning(console)(f"no figure is called {name}: known are {', '.join(FIGURES)}")
    try:
        figures = [name for name in wanted if name in FIGURES]
        pages = build(figures, job.request.runs, job.request.runs / "report", job.plans[0].scale) if figures else []
    except ReportError as error:
        warning(console)(f"no report: {error}")
        return []
    if tracker:
        from bench.tracking.store import Progress

        shown = [page for page in pages if page.suffix in (".png", ".csv")]
        progress = Progress(tracker, {}, {}, warning(console))
        for name in {info.name for info in job.infos.values()}:
            progress.safely(lambda name=name: tracker.log_report(name, job.plans[0].scale, shown))
    return pages


def conclude(job: Job, not_done: int, failures: dict[Trial, str], pages, seconds: float, console: Console) -> None:
    """The last lines: what was done, what failed and where its log is, where to look."""
    done, cached = len(job.left) - not_done, len(job.trials) - len(job.left)
    counts = f"{done} networks trained or measured, {cached} cached, {len(failures)} failed"
    console.print(f"{counts}, in {duration(seconds)}")
    for trial, reason in failures.items():
        log = json.loads((job.directory(trial) / "failure.json").read_text())["log"]
        text = f"failed: {trial.recipe.name}: {reason} (log: {job.directory(trial) / log})"
        console.print(Text(text, style="red"), soft_wrap=True)
    for page in pages:
        if page.name == "index.html":
            console.print(f"report: {page}   runs: python -m bench ui --runs {job.request.runs}", soft_wrap=True)


def ingest(runs: Path, console: Console) -> int:
    """Rebuild MLflow's index from the directories of all trials. Returns the number of runs in it."""
    from bench.tracking.store import Tracker

    if not (runs / "trials").is_dir():
        raise BadInput(f"{runs} holds no trials: give the directory that holds trials/ with --runs")
    with only_driver(runs):
        tags, count = saved_plans.tags(runs), 0
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
            if directory.name != recipe.key:
                console.print(f"{directory.name}: is not named by its key {recipe.key}, left out", style="yellow")
                continue
            tracker.index(recipe, tags.get(recipe.key, saved_plans.UNPLANNED))
            count += 1
    return count
