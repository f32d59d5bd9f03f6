"""What a command asks for: suites, scale and options → each network once, its data, and what it will cost."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import data
from bench.errors import BadInput, unknown
from bench.run import devices, provenance
from bench.run.cost_estimate import Estimator, trials_on, wall_seconds
from bench.run.progress_display import duration
from bench.run.resume import missing_measurements
from bench.spec.expand import Options, Plan, merge, plan
from bench.spec.measurement import Measurement
from bench.spec.suite import experiment_names
from bench.spec.trial import Trial
from bench.trial_dir import read_failure


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
    cpus_per_trial: int
    gpus_per_trial: float | None

    def plans(self) -> list[Plan]:
        """One plan per suite file. Raises BadInput or DataError."""
        sources = {}
        for text in self.datasets:
            name, equals, path = text.partition("=")
            if equals and not path:
                raise BadInput(f"--dataset {text}: a path is expected after `=`")
            sources[name] = path or name
        common = (sources, self.seeds, self.settings, devices.best_precision, self.data_root)
        return [plan(path, self.scale, Options(only, *common)) for path, only in self.chosen()]

    def chosen(self) -> list[tuple[Path, tuple[str, ...]]]:
        """The suites with the experiments that --only leaves of each; one that it leaves nothing of is left out."""
        if not self.only:
            return [(path, ()) for path in self.suites]
        known = {path: experiment_names(path) for path in self.suites}
        everywhere = [name for names in known.values() for name in names]
        for name in self.only:
            if name not in everywhere:
                raise BadInput(f"--only: {unknown('experiment', name, dict.fromkeys(everywhere))}")
        chosen = [(path, tuple(name for name in self.only if name in names)) for path, names in known.items()]
        return [(path, only) for path, only in chosen if only]

    @property
    def slots(self) -> int:
        """Trials at once on this machine, without asking Ray."""
        cpus, gpus = provenance.cpu_count() // self.cpus_per_trial, devices.gpu_count()
        share = self.gpus_per_trial if self.gpus_per_trial is not None else (1.0 if gpus else 0.0)
        return max(1, min(cpus, trials_on(gpus, share)) if share else cpus)


@dataclass(frozen=True)
class Job:
    """All suites of a request together. `infos` is by trial key."""

    request: Request
    plans: list[Plan]
    trials: list[Trial]
    infos: dict[str, data.DatasetInfo]

    @classmethod
    def of(cls, request: Request) -> "Job":
        plans = request.plans()
        panels = [panel for plan in plans for panel in plan.panels]
        infos = {trial.key: panel.info for panel in panels for trial in panel.trials}
        return cls(request, plans, merge(trial for panel in panels for trial in panel.trials), infos)

    @cached_property
    def costs(self) -> dict[str, dict]:
        """By trial key, see Estimator.trial."""
        estimator, unmeasured = Estimator(self.request.runs), self.unmeasured
        return {t.key: estimator.trial(t, self.infos[t.key], unmeasured[t.key]) for t in self.trials}

    @cached_property
    def unmeasured(self) -> dict[str, list[Measurement]]:
        """By trial key, what results.json lacks at the time of asking. Of a finished trial that is a file to read."""
        return {trial.key: missing_measurements(trial, self.directory(trial)) for trial in self.trials}

    @cached_property
    def left(self) -> list[Trial]:
        """Trials that lack something at the time of asking, longest first: the last slots wait for no long one. Before
        them come networks whose weights others are measured with."""
        left = [t for t in self.trials if self.unmeasured[t.key]]
        lent = {what.surrogate for t in left for what in t.measurements}
        return sorted(left, key=lambda t: (t.key not in lent, -self.costs[t.key]["seconds_left"])) if left else []

    @property
    def shared(self) -> int:
        """Networks that panels show beyond the first time, and that are not trained again."""
        return sum(len(panel.trials) for plan in self.plans for panel in plan.panels) - len(self.trials)

    def directory(self, trial: Trial) -> Path:
        return self.request.runs / "trials" / trial.key

    def wall_seconds(self) -> float:
        return wall_seconds([self.costs[t.key]["seconds_left"] for t in self.left], self.request.slots)

    def summary(self) -> str:
        """ "24 networks, 48 more shared between panels; 3 cached; about 3 min left on this machine …"."""
        saved = f", {self.shared} more shared between panels" if self.shared else ""
        parts = [f"{len(self.trials)} networks{saved}", f"{len(self.trials) - len(self.left)} cached"]
        if self.left:
            parts.append(
                f"about {duration(self.wall_seconds())} left on this machine with {self.request.slots} at a time"
            )
        else:
            parts.append("nothing left to do")
        return "; ".join(parts)

    def as_dict(self) -> dict:
        """What `plan --json` prints."""
        where: dict[str, list[dict]] = {}
        for plan_ in self.plans:
            for panel in plan_.panels:
                entry = {"suite": plan_.suite, "experiment": panel.experiment, "figures": list(panel.figures)}
                for trial in panel.trials:
                    where.setdefault(trial.key, []).append(entry)
        trials = [self.row(trial) | {"experiments": where[trial.key]} for trial in self.trials]
        cost = {
            "macs": sum(row["macs"] for row in trials),
            "trial_hours": sum(row["hours"] for row in trials),
            "wall_hours_left": self.wall_seconds() / 3600 if self.left else 0.0,
            "slots": self.request.slots,
            "machine": devices.name(),
            "shared": self.shared,
        }
        return {"trials": trials, "cost": cost}

    def row(self, trial: Trial) -> dict:
        recipe, cost = trial.recipe, self.costs[trial.key]
        fields = ("dataset", "arch", "method", "norm", "lam", "lr", "seed")
        return {
            "key": trial.key,
            "name": recipe.name,
            "cached": not self.unmeasured[trial.key],
            "failed_before": read_failure(self.directory(trial)) is not None,
            **{field: getattr(recipe, field) for field in fields},
            "macs": cost["macs"],
            "hours": cost["seconds"] / 3600,
            "hours_left": cost["seconds_left"] / 3600,
        }


def preview(request: Request, as_json: bool, out: Console) -> None:
    """The `plan` verb."""
    job = Job.of(request)
    rows = job.as_dict()
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("key", no_wrap=True)
    table.add_column("network")
    table.add_column("for")
    table.add_column("left", justify="right", no_wrap=True)
    for row in rows["trials"]:
        figures = dict.fromkeys(figure for entry in row["experiments"] for figure in entry["figures"])
        left = "cached" if row["cached"] else duration(3600 * row["hours_left"])
        table.add_row(
            row["key"][:8], row["name"], " ".join(figures), left + (" (failed before)" * row["failed_before"])
        )
    out.print(table)
    macs = rows["cost"]["macs"]
    out.print(f"{job.summary()}; {macs:.2g} multiply–accumulates in all", soft_wrap=True)
