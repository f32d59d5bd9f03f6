"""Bring MLflow's index up to the trials' directories, before and after a run."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bench.errors import BadInput
from bench.run.execution_plan import ExecutionPlan
from bench.run.ingest_command import index_all_directories
from bench.run.missing_work import is_unfinished
from bench.run.plan_files import read_plans
from bench.spec.trial import Trial
from bench.tracking.mlflow_run_record import is_indexed
from bench.tracking.run_tags import tags_by_key

if TYPE_CHECKING:  # MLflow takes seconds to import, so the functions import it only when something is to be written
    from bench.tracking.mlflow_listener import MlflowListener
    from bench.tracking.mlflow_writer import MlflowWriter

OPEN_MARK = "index.open"  # a file in the runs directory from the opening of the index until all is written to it


def unindexed_trials(plan: ExecutionPlan) -> list[Trial]:
    """Finished trials of which MLflow's index lacks a measurement or has other tags."""
    runs = plan.request.runs
    tags = tags_by_key(read_plans(runs))
    finished = [trial for trial in plan.trials if not is_unfinished(trial, plan.directory(trial))]
    return [trial for trial in finished if not is_indexed(runs, trial.key, tags[trial.key])]


def must_open_index(plan: ExecutionPlan) -> bool:
    """Whether the index lacks something, or a killed command may have left it with open runs or without figures."""
    return (plan.request.runs / OPEN_MARK).exists() or bool(unindexed_trials(plan))


def close_index(plan: ExecutionPlan, writer: "MlflowWriter | None", figures: Collection[str], console: Console) -> None:
    """Add the drawn figures and complete the curves' runs; then note that the index has all it should.

    writer: None where the index was not opened. A store that fails costs only a warning.
    """
    runs = plan.request.runs
    if writer:
        mlflow_listener(plan, writer, warn_on(console)).safely(lambda: writer.complete(read_plans(runs), figures))
    (runs / OPEN_MARK).unlink(missing_ok=True)


def open_index(plan: ExecutionPlan, console: Console) -> "MlflowWriter":
    """Open MLflow's index, close the runs that a killed driver left open, and add every finished trial."""
    from bench.tracking.mlflow_writer import MlflowWriter

    try:
        writer = MlflowWriter(plan.request.runs, repair=True)
    except ConnectionError as error:
        raise BadInput(str(error)) from None
    (plan.request.runs / OPEN_MARK).touch()
    closed = writer.close_abandoned_runs()
    if closed:
        console.print(f"closed {closed} MLflow runs that an earlier command left open")
    if writer.set_aside:
        index_all_directories(plan.request.runs, writer, console)
    index_trials(unindexed_trials(plan), plan, writer, console)
    return writer


def index_trials(trials: list[Trial], plan: ExecutionPlan, writer: "MlflowWriter", console: Console) -> None:
    """Bring the MLflow runs of these trials up to their directories. A store that fails costs only a warning."""
    listener = mlflow_listener(plan, writer, warn_on(console))
    for trial in trials:
        listener.finished(trial.key, None)


def mlflow_listener(plan: ExecutionPlan, writer: "MlflowWriter", warn: Callable[[str], None]) -> "MlflowListener":
    from bench.tracking.mlflow_listener import MlflowListener

    recipes = {trial.key: trial.recipe for trial in plan.trials}
    return MlflowListener(writer, recipes, tags_by_key(read_plans(plan.request.runs)), warn)


def warn_on(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(Text(text, style="yellow"), soft_wrap=True)
