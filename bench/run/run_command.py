"""The `run` verb: run the missing trials, keep MLflow current, draw the report, and summarise."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bench import data, stored_plans
from bench.atomic_write import remove_leftovers
from bench.disk_full import DiskFull
from bench.errors import BadInput
from bench.human_units import format_duration
from bench.interruption import exit_code, signals_caught_by
from bench.run import provenance
from bench.run.damage_lines import print_damages
from bench.run.disk_space import require_space
from bench.run.driver_lock import driver_lock
from bench.run.execution_plan import ExecutionPlan
from bench.run.missing_work import is_unfinished, surrogate_is_ready
from bench.run.mlflow_index_update import (
    close_index,
    index_trials,
    mlflow_listener,
    must_open_index,
    open_index,
    unindexed_trials,
    warn_on,
)
from bench.run.next_command import next_command
from bench.run.plan_files import write_plan
from bench.run.progress_display import ProgressDisplay
from bench.run.ray_address import on_cluster
from bench.run.repair import directory_lock, repair
from bench.run.request import Request
from bench.spec.trial import Trial
from bench.tracking.run_tags import figure_order
from bench.tracking.store_address import store_uri
from bench.trial_dir import load_failure, read_failure, undamaged

if TYPE_CHECKING:
    from bench.run.ray_session import RaySession
    from bench.tracking.mlflow_listener import MlflowListener
    from bench.tracking.mlflow_writer import MlflowWriter

STORE_SECONDS = 15  # until MLflow's store has closed the runs of a command that has to end


def execute(request: Request, address: str | None, console: Console, command: str) -> int:
    """Run what a request lacks.

    Returns the exit code: 0 all done, 1 a trial failed, 130 after Ctrl-C, 143 after SIGTERM. Raises BadInput, DiskFull,
    and Interrupted where a signal came while no trial was running.
    """
    began = time.monotonic()
    store_uri(request.runs)  # raises BadInput before anything is planned
    with on_cluster(request, address) as request:
        return execute_plan(ExecutionPlan.of(request), address, console, command, began)


def execute_plan(plan: ExecutionPlan, address: str | None, console: Console, command: str, began: float) -> int:
    """As `execute`, for a planned request. began: time.monotonic() of the command's start."""
    request = plan.request
    if plan.remaining and address is None:
        request.workers.require_room(request.cpus_per_trial, request.gpus_per_trial)
    for source in {trial.source for trial in plan.trials}:
        data.require_files(source, request.data_root)
    with contextlib.ExitStack() as stack:
        stack.enter_context(driver_lock(request.runs))
        remove_leftovers(request.runs / "plans")
        repair_trials(plan, console)
        if plan.remaining:
            require_space(plan)
        node_check = None
        if address and plan.remaining:
            from bench.run.preflight import checked_nodes  # imports Ray

            node_check = stack.enter_context(checked_nodes(plan, console))
        for suite_plan in plan.plans:
            write_plan(suite_plan, request.runs, command)
        for line in (*plan.notes, plan.summary()):
            console.print(line, soft_wrap=True)
        if plan.remaining and (reason := provenance.why_unknown()):
            warn_on(console)(reason)
        writer = open_index(plan, console) if plan.remaining or must_open_index(plan) else None
        signal_number = run_remaining(plan, writer, node_check, console) if plan.remaining else None
        in_a_hurry = signal_number not in (None, signal.SIGINT)  # whoever sent SIGTERM will soon send SIGKILL
        pages = [] if in_a_hurry else draw_report(plan, console)
        if not in_a_hurry:
            close_index(plan, writer, {page.stem for page in pages}, console)
    unfinished = [trial for trial in plan.remaining if is_unfinished(trial, plan.directory(trial))]
    reasons = {trial: read_failure(plan.directory(trial), trial.key) for trial in unfinished}
    failures = {trial: reason for trial, reason in reasons.items() if reason}
    print_summary(plan, len(unfinished), failures, pages, time.monotonic() - began, console)
    if len(unfinished) > len(failures) or in_a_hurry:
        console.print("interrupted: rerun the same command to resume")
        return exit_code(signal_number or signal.SIGINT)
    return 1 if failures else 0


def repair_trials(plan: ExecutionPlan, console: Console) -> None:
    """Set aside the damaged files of the plan's trials, and print a line for each: what follows makes them anew.

    Weights and checkpoints are read only where they are still needed.
    """
    print_damages(stored_plans.read_plans(plan.request.runs)[1], console)
    for line in (line for trial in plan.trials for line in repair_trial(plan, trial)):
        warn_on(console)(line)
    needed = {m.surrogate for missing in plan.missing.values() for m in missing}
    needed |= {trial.recipe.start.key for trial in plan.trials if trial.recipe.start}
    needed |= {key for key, missing in plan.missing.items() if missing}
    for line in (line for t in plan.trials if t.key in needed for line in repair_trial(plan, t, thorough=True)):
        warn_on(console)(line)


def repair_trial(plan: ExecutionPlan, trial: Trial, thorough: bool = False) -> list[str]:
    """What `repair` did; nothing where the trial has not begun, or a worker of a killed driver is still at it."""
    directory = plan.directory(trial)
    if not directory.exists():
        return []
    try:
        with directory_lock(directory, wait=False):
            return repair(directory, trial.recipe, thorough)
    except BlockingIOError:
        return []


def run_remaining(plan: ExecutionPlan, writer: "MlflowWriter", node_check: dict | None, console: Console) -> int | None:
    """Run the remaining trials on Ray. Their directories say how each ended. Returns the signal that interrupted them.

    node_check: what the nodes of the joined cluster are to check, or None: a Ray on this machine is started. Where that
    one dies, this process ends with one line and exit code 1. Raises DiskFull, and BadInput for a node that
    cannot be used.
    """
    from bench.run import ray_scheduler, ray_start  # slow to import
    from bench.run.ray_session import RaySession

    for trial in plan.remaining:  # an earlier command's failure is no failure of this command
        (plan.directory(trial) / "failure.json").unlink(missing_ok=True)
    request, stop = plan.request, ray_scheduler.StopRequest()
    if node_check:
        slots = ray_scheduler.Slots(plan.slots, request.workers.gpus_per_trial)
        run_on(slots, plan, writer, console, stop, node_check)
    else:
        with RaySession(lambda reason: end_without_ray(reason, session, plan, stop, console)) as session:
            try:
                ray_start.start_local(plan.slots * request.cpus_per_trial, session.folder)
                slots = ray_scheduler.slots_of_ray(request.cpus_per_trial, request.gpus_per_trial)
            except Exception as error:
                session.wait_if_broken()
                session.end(f"Ray did not start: {(str(error).splitlines() or [type(error).__name__])[0]}")
            session.started.set()
            try:
                run_on(slots, plan, writer, console, stop)
            except BadInput:
                raise
            except Exception:
                session.wait_if_broken()
                raise
    if stop.disk_full:
        raise DiskFull(stop.disk_full)
    if stop.unusable_node:
        raise BadInput(f"{stop.unusable_node}; all trials were stopped")
    return stop.signal


def run_on(
    slots, plan: ExecutionPlan, writer: "MlflowWriter", console: Console, stop, node_check: dict | None = None
) -> None:
    """Run the remaining trials on a started Ray, until all have ended or `stop`, a StopRequest, asks for an end."""
    from bench.run import ray_scheduler

    request = plan.request
    if slots.count < 1:
        needed = f"{request.cpus_per_trial} CPUs and {slots.gpus_per_trial:g} GPUs"
        raise BadInput(f"a trial needs {needed}, more than Ray has")
    code_version, pending = provenance.git_commit(), plan.remaining
    listener = mlflow_listener(plan, writer, warn_on(console))
    with signals_caught_by(stop.on_signal), closing_runs(listener, writer):
        while pending and not stop.requested:
            with ProgressDisplay(console, plan, pending, slots.count) as display:
                warn = lambda text, display=display: display.print_line(text, "yellow")  # noqa: E731
                listener = mlflow_listener(plan, writer, warn)
                folders, listeners = (request.runs, request.data_root), (display, listener)
                options = request.cpus_per_trial, slots, listeners, stop, node_check
                ray_scheduler.run_trials(pending, *folders, code_version, *options)
            pending = trials_to_repeat(plan, pending)
        index_trials(unindexed_trials(plan), plan, writer, console)  # events can be lost


@contextlib.contextmanager
def closing_runs(listener: "MlflowListener", writer: "MlflowWriter") -> Iterator[None]:
    """A context that closes the MLflow runs of the trials that an interrupt or an error has stopped in it."""
    try:
        yield
    finally:
        listener.safely(writer.close_abandoned_runs)


def end_without_ray(reason: str, session: "RaySession", plan: ExecutionPlan, stop, console: Console) -> None:
    """End this process, whose Ray is broken: say so, close the MLflow runs, and remove what is left of Ray.

    Called from another thread than the main one, which may wait for Ray for ever.
    """
    runs = plan.request.runs
    if stop.signal:  # a service manager sends SIGTERM to all processes, Ray's included
        line, code = "interrupted: rerun the same command to resume", exit_code(stop.signal)
    else:
        with contextlib.suppress(OSError):
            session.keep_logs(runs / "ray-logs")
        line, code = f"{reason} (logs: {runs / 'ray-logs'}): rerun the same command to resume", 1
    with contextlib.suppress(OSError):  # of a closed terminal
        console.print(Text(line, style="red"), soft_wrap=True)
    closer = threading.Thread(target=close_runs_of, args=[runs], daemon=True)  # the store may hang, too
    closer.start()
    session.clean_up()
    closer.join(STORE_SECONDS)
    os._exit(code)


def close_runs_of(runs: Path) -> None:
    from bench.tracking.mlflow_writer import MlflowWriter

    MlflowWriter(runs).close_abandoned_runs()


def trials_to_repeat(plan: ExecutionPlan, trials: list[Trial]) -> list[Trial]:
    """Unfinished trials that ran before their surrogate network was trained, if no other trial is unfinished."""
    unfinished = [trial for trial in trials if is_unfinished(trial, plan.directory(trial))]
    return unfinished if all(surrogate_is_ready(trial, plan.directory(trial)) for trial in unfinished) else []


def draw_report(plan: ExecutionPlan, console: Console) -> list[Path]:
    """Draw the figures of this plan from all finished trials. Returns the files."""
    from reports.build import build  # slow to import
    from reports.figures import FIGURES

    planned = {figure for suite_plan in plan.plans for panel in suite_plan.panels for figure in panel.figures}
    figures = sorted(planned & set(FIGURES), key=figure_order)
    for name in sorted(planned - set(FIGURES), key=figure_order):
        warn_on(console)(f"no figure is called {name}: known are {', '.join(FIGURES)}")
    runs, scale = plan.request.runs, plan.plans[0].scale
    try:
        return build(figures, runs, runs / "report", scale, warn=warn_on(console)) if figures else []
    except BadInput as error:
        warn_on(console)(f"no report: {error}")
        return []


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
        log = directory / (undamaged(load_failure, directory, trial.key) or {"log": "error.log"})["log"]
        text = f"failed: {trial.recipe.name}: {reason} (log: {log})"
        console.print(Text(text, style="red"), soft_wrap=True)
    runs = plan.request.runs
    for page in pages:
        if page.name == "index.html":
            console.print(f"report: {page}   open it: {next_command('open', runs)}", soft_wrap=True)
            console.print(f"all runs: {next_command('ui', runs)}", soft_wrap=True)
    if not any(panel.figures for suite_plan in plan.plans for panel in suite_plan.panels):
        where = f"the numbers are in {runs / 'trials'}/KEY/results.json"
        console.print(
            f"no figure is drawn of this suite: {where}; keys: {next_command('status', runs)}", soft_wrap=True
        )
        console.print(f"print one: {next_command('show KEY', runs)}   all: {next_command('ui', runs)}", soft_wrap=True)
