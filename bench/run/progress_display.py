"""What a person sees while trials run: a live table in a terminal, plain lines elsewhere."""

import time
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.run.cost_estimate import wall_seconds
from bench.spec.trial import Trial


@dataclass
class State:
    """What is known of one running trial."""

    name: str
    expected: float  # seconds left when it was (re)started, by the estimate
    started: float = 0.0
    epoch: int = 0
    epochs: int = 1
    first: int = 0  # epochs done before this start
    row: dict = field(default_factory=dict)
    measured: int = 0

    def left(self, now: float) -> float:
        """Seconds: from the pace of its own epochs once there are two, from the estimate before."""
        spent, done = now - self.started, self.epoch - self.first
        if done < 2:
            return max(self.expected - spent, 0)
        return spent / done * (self.epochs - self.epoch)


class Display:
    """A runner's listener. Use as a context manager around `runner.execute`."""

    def __init__(self, console: Console, trials: list[Trial], seconds_left: dict[str, float], slots: int, total: int):
        self.console, self.slots, self.total = console, slots, total
        self.waiting = {trial.key: trial for trial in trials}
        self.seconds_left = seconds_left
        self.running: dict[str, State] = {}
        self.done, self.failed = total - len(trials), 0
        self.began = time.monotonic()
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def say(self, text: str, style: str = "") -> None:
        """A line that stays, above the table or among the plain lines."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def started(self, key: str) -> None:
        trial = self.waiting.pop(key, None)
        if trial:  # not a retry
            expected = self.seconds_left.get(key, 0)
            state = State(trial.recipe.name, expected, time.monotonic(), epochs=trial.recipe.epochs)
            self.running[key] = state

    def row(self, key: str, row: dict) -> None:
        state = self.running.get(key)
        if state is None:
            return
        if "lam" in row:
            state.measured += 1
        elif "epoch" in row:
            if state.epoch == 0:
                state.first = row["epoch"] - 1
            state.epoch = row["epoch"]
            kept = {k: v for k, v in state.row.items() if k.startswith("heldout")}
            state.row = kept | {k: v for k, v in row.items() if v is not None}
            if not self.console.is_terminal and "score" in row:
                self.say(f"  {state.name}: epoch {row['epoch']}/{row['epochs']}, {accuracies(state.row)}")

    def finished(self, key: str, failure: str | None) -> None:
        state = self.running.pop(key, None)
        self.waiting.pop(key, None)
        if state is None:
            return
        took = duration(time.monotonic() - state.started)
        if failure:
            self.failed += 1
            self.say(f"failed {state.name}: {failure}", "red")
            return
        self.done += 1
        tail = f", {accuracies(state.row)}" if state.row else ""
        self.say(f"done {self.done}/{self.total} {state.name} in {took}{tail}", "green")

    def left(self) -> float:
        now = time.monotonic()
        running = [state.left(now) for state in self.running.values()]
        return wall_seconds(running + [self.seconds_left.get(key, 0) for key in self.waiting], self.slots)

    def render(self) -> Group:
        now = time.monotonic()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column, justify in (("network", "left"), ("epoch", "right"), ("", "left"), ("SA / RA so far", "left")):
            table.add_column(column, justify=justify, no_wrap=True)
        table.add_column("left", justify="right", no_wrap=True)
        for state in self.running.values():
            bar = ProgressBar(total=state.epochs, completed=state.epoch, width=16)
            count = f"{state.epoch}/{state.epochs}" if state.epoch < state.epochs else "measuring"
            table.add_row(state.name, count, bar, accuracies(state.row), duration(state.left(now)))
        bar = ProgressBar(total=self.total, completed=self.done, width=30)
        failed = f", [red]{self.failed} failed[/red]" if self.failed else ""
        head = Table.grid(padding=(0, 1))
        text = f"{self.done}/{self.total} networks{failed}, {duration(now - self.began)} so far, "
        head.add_row(bar, text + f"about {duration(self.left())} left")
        return Group(table, head)


def accuracies(row: dict) -> str:
    """Held-out where the epoch was a candidate, else of the training batches."""
    if "heldout_sa" in row:
        return f"held-out SA {100 * row['heldout_sa']:.1f} RA {100 * row['heldout_ra']:.1f}"
    if "train_sa" not in row:
        return "starting"
    ra = f" RA {100 * row['train_ra']:.1f}" if "train_ra" in row else ""
    return f"training SA {100 * row['train_sa']:.1f}{ra}"


def duration(seconds: float) -> str:
    """45 s, 12 min, 3.5 h, 12 days."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 5940:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 72 * 3600 else f"{seconds / 86400:.0f} days"
