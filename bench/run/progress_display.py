"""Show the progress of running trials: a live table in a terminal, plain lines elsewhere."""

import time
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.human_units import format_duration
from bench.run.cost_estimate import wall_seconds
from bench.run.execution_plan import ExecutionPlan
from bench.spec.trial import Trial


@dataclass
class TrialProgress:
    """Progress of one running trial."""

    name: str
    estimated_seconds: float  # left when this command started the trial
    started: float = 0.0
    epoch: int = 0
    epochs: int = 1
    resumed_from: int = 0  # epochs that an earlier command had finished
    last_row: dict = field(default_factory=dict)

    def seconds_left(self, now: float) -> float:
        """From the speed of the trial's own epochs once two are finished, from the estimate before."""
        elapsed, finished_epochs = now - self.started, self.epoch - self.resumed_from
        if finished_epochs < 2:
            return max(self.estimated_seconds - elapsed, 0)
        return elapsed / finished_epochs * (self.epochs - self.epoch)


class ProgressDisplay:
    """Listener of the Ray scheduler that prints progress. A context manager around `ray_scheduler.run_trials`."""

    def __init__(self, console: Console, plan: ExecutionPlan, trials: list[Trial], slots: int):
        """trials: the plan's trials that are run now, `slots` at a time."""
        self.console, self.slots, self.total = console, slots, len(plan.trials)
        self.names = plan.short_names[0]
        self.waiting = {trial.key: trial for trial in trials}
        self.estimates = {key: cost["seconds_left"] for key, cost in plan.costs.items()}
        self.running: dict[str, TrialProgress] = {}
        self.done, self.failed = self.total - len(trials), 0
        self.began = time.monotonic()
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "ProgressDisplay":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def print_line(self, text: str, style: str = "") -> None:
        """Print a line that stays, above the live table."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def started(self, key: str) -> None:
        trial = self.waiting.pop(key, None)
        if trial:  # None at a retry
            estimate = self.estimates.get(key, 0)
            self.running[key] = TrialProgress(self.names[key], estimate, time.monotonic(), epochs=trial.recipe.epochs)
            self.slots = max(self.slots, len(self.running))  # nodes may join a cluster later

    def row(self, key: str, row: dict) -> None:
        if "set_aside" in row:
            self.print_line(row["set_aside"], "yellow")
        progress = self.running.get(key)
        if progress is None or "epoch" not in row:
            return
        if progress.epoch == 0:
            progress.resumed_from = row["epoch"] - 1
        progress.epoch = row["epoch"]
        last_heldout = {name: value for name, value in progress.last_row.items() if name.startswith("heldout")}
        progress.last_row = last_heldout | {name: value for name, value in row.items() if value is not None}
        if not self.console.is_terminal and "score" in row:
            accuracies = format_accuracies(progress.last_row)
            self.print_line(f"  {progress.name}: epoch {row['epoch']}/{row['epochs']}, {accuracies}")

    def finished(self, key: str, failure: str | None) -> None:
        progress = self.running.pop(key, None)
        self.waiting.pop(key, None)
        if progress is None:
            return
        if failure:
            self.failed += 1
            self.print_line(f"failed {progress.name}: {failure}", "red")
            return
        self.done += 1
        elapsed = format_duration(time.monotonic() - progress.started)
        accuracies = f", {format_accuracies(progress.last_row)}" if progress.last_row else ""
        self.print_line(f"done {self.done}/{self.total} {progress.name} in {elapsed}{accuracies}", "green")

    def seconds_left(self) -> float:
        now = time.monotonic()
        running = [progress.seconds_left(now) for progress in self.running.values()]
        waiting = [self.estimates.get(key, 0) for key in self.waiting]
        return wall_seconds(running + waiting, self.slots)

    def render(self) -> Group:
        """The live table: a row per running trial, and a line for the whole command."""
        now = time.monotonic()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("network", overflow="fold")
        for column, justify in (("epoch", "right"), ("", "left"), ("SA / RA so far", "left")):
            table.add_column(column, justify=justify, no_wrap=True)
        table.add_column("left", justify="right", no_wrap=True)
        for progress in self.running.values():
            bar = ProgressBar(total=progress.epochs, completed=progress.epoch, width=16)
            trained = progress.epoch >= progress.epochs
            epoch = "measuring" if trained else f"{progress.epoch}/{progress.epochs}"
            left = format_duration(progress.seconds_left(now))
            table.add_row(progress.name, epoch, bar, format_accuracies(progress.last_row), left)
        bar = ProgressBar(total=self.total, completed=self.done, width=30)
        failed = (f", {self.failed} failed", "red") if self.failed else ""
        elapsed, left = format_duration(now - self.began), format_duration(self.seconds_left())
        summary = Table.grid(padding=(0, 1))
        count, times = f"{self.done}/{self.total} networks", f", {elapsed} so far, about {left} left"
        summary.add_row(bar, Text.assemble(count, failed, times))
        return Group(table, summary)


def format_accuracies(row: dict) -> str:
    """SA and RA: of the held-out images where the epoch was a candidate for selection, else of the training batches."""
    if "heldout_sa" in row:
        return f"held-out SA {100 * row['heldout_sa']:.1f} RA {100 * row['heldout_ra']:.1f}"
    if "train_sa" not in row:
        return "starting"
    ra = f" RA {100 * row['train_ra']:.1f}" if "train_ra" in row else ""
    return f"training SA {100 * row['train_sa']:.1f}{ra}"
