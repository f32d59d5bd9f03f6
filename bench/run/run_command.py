"""The `run` verb: run the missing trials, keep MLflow current, draw the report, and summarise."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bench import data
from bench.errors import BadInput
from bench.human_units import format_duration
from bench.run import provenance
from bench.run.driver_lock import driver_lock
from bench.run.execution_plan import ExecutionPlan, Request
from bench.run.index_trials import index_trials, mlflow_listener, open_index, unindexed_trials, warn_on
from bench.run.plan_files import write_plan
from bench.run.progress_display import ProgressDisplay
from bench.run.ray_temp_dir import check_temp_dir
from bench.run.resume import is_unfinished, surrogate_is_ready
from bench.spec.trial import Trial
from bench.tracking.run_tags import figure_order
from bench.trial_dir import read_failure, read_json_object

if TYPE_CHECKING:
    from bench.tracking.mlflow_writer import MlflowWriter


def execute(request: Request, address: str | None, console: Console, command: str) -> int:
    """Run what a request lacks. Returns the exit code: 0 all done, 1 a trial failed, 130 interrupted."""
    began, plan = time.monotonic(), ExecutionPlan.of(request)
    for source in {trial.source for trial in plan.trials}:
        data.require_files(source, request.data_root)
    with driver_lock(request.runs):
        for suite_plan in plan.plans:
            write_plan(suite_plan, request.runs, command)
        for line in (*plan.notes, plan.summary()):
            console.print(line, soft_wrap=True)
        if plan.remaining and (reason := provenance.why_unknown()):
            warn_on(console)(reason)
        writer = open_index(plan, console) if plan.remaining or unindexed_trials(plan) else None
        if plan.remaining:
            run_remaining(plan, writer, address, console)
        pages = draw_report(plan, writer, console)
    unfinished = [trial for trial in plan.remaining if is_unfinished(trial, plan.directory(trial))]
    reasons = {trial: read_failure(plan.directory(trial)) for trial in unfinished}
    failures = {trial: reason for trial, reason in reasons.items() if reason}
    print_summary(plan, len(unfinished), failures, pages, time.monotonic() - began, console)
    if len(unfinished) > len(failures):
        console.print("interrupted: rerun the same command to resume")
        return 130
    return 1 if failures else 0


def run_remaining(plan: ExecutionPlan, writer: "MlflowWriter", address: str | None, console: Console) -> None:
    """Run the remaining trials on Ray. Their directories say how each ended."""
    request = plan.request
    if not address:
        check_temp_dir()
    from bench.run import ray_scheduler  # slow to import

    resources = ray_scheduler.Resources(request.cpus_per_trial, request.gpus_per_trial, address)
    try:
        slots = ray_scheduler.start_ray(resources)
    except (ConnectionError, ValueError) as error:
        raise BadInput(f"--address {address}: {str(error).splitlines()[0]}") from None
    if slots.count < 1:
        needed = f"{request.cpus_per_trial} CPUs and {slots.gpus_per_trial:g} GPUs"
        raise BadInput(f"a trial needs {needed}, more than Ray has")
    for trial in plan.remaining:  # an earlier command's failure is no failure of this command
        (plan.directory(trial) / "failure.json").unlink(missing_ok=True)
    seconds_left = {key: cost["seconds_left"] for key, cost in plan.costs.items()}
    code_version, pending = provenance.git_commit(), plan.remaining
    while pending:
        with ProgressDisplay(console, pending, seconds_left, slots.count, len(plan.trials)) as display:
            listener = mlflow_listener(plan, writer, lambda text, display=display: display.print_line(text, "yellow"))
            listeners = (display, listener)
            ray_scheduler.run_trials(
                pending, request.runs, request.data_root, code_version, resources, slots, listeners
            )
        pending = trials_to_repeat(plan, pending)
    index_trials(unindexed_trials(plan), plan, writer, console)  # events can be lost, as under a Ray Client
    listener.safely(writer.close_abandoned_runs)  # of trials that an interrupt stopped


def trials_to_repeat(plan: ExecutionPlan, trials: list[Trial]) -> list[Trial]:
    """Unfinished trials that ran before their surrogate network was trained, if no other trial is unfinished."""
    unfinished = [trial for trial in trials if is_unfinished(trial, plan.directory(trial))]
    return unfinished if all(surrogate_is_ready(trial, plan.directory(trial)) for trial in unfinished) else []


def draw_report(plan: ExecutionPlan, writer: "MlflowWriter | None", console: Console) -> list[Path]:
    """Draw the figures of this plan from all finished trials, and log them to MLflow if it is open."""
    from reports.build import ReportError, build  # slow to import
    from reports.figures import FIGURES

    planned = {figure for suite_plan in plan.plans for panel in suite_plan.panels for figure in panel.figures}
    figures = sorted(planned & set(FIGURES), key=figure_order)
    for name in sorted(planned - set(FIGURES), key=figure_order):
        warn_on(console)(f"no figure is called {name}: known are {', '.join(FIGURES)}")
    runs, scale = plan.request.runs, plan.plans[0].scale
    try:
        pages = build(figures, runs, runs / "report", scale) if figures else []
    except ReportError as error:
        warn_on(console)(f"no report: {error}")
        return []
    if writer:
        listener = mlflow_listener(plan, writer, warn_on(console))
        drawn = [page for page in pages if page.suffix in (".png", ".csv")]
        for dataset in {info.name for info in plan.infos.values()}:
            listener.safely(lambda dataset=dataset: writer.log_report(dataset, scale, drawn))
    return pages


def print_summary(
    plan: ExecutionPlan,
    unfinished: int,
    failures: dict[Trial, str],
    pages: list[Path],
    seconds: float,
    console: Console,
) -> None:
    """Print what was done, what failed and where its log is, and where to look."""
    done, cached = len(plan.remaining) - unfinished, len(plan.trials) - len(plan.remaining)
    counts = f"{done} networks trained or measured, {cached} cached, {len(failures)} failed"
    console.print(f"{counts}, in {format_duration(seconds)}")
    for trial, reason in failures.items():
        directory = plan.directory(trial)
        log = directory / read_json_object(directory / "failure.json")["log"]
        text = f"failed: {trial.recipe.name}: {reason} (log: {log})"
        console.print(Text(text, style="red"), soft_wrap=True)
    for page in pages:
        if page.name == "index.html":
            console.print(f"report: {page}   runs: python -m bench ui --runs {plan.request.runs}", soft_wrap=True)
