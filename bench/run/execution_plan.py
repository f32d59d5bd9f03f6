"""What a command has to run: suites, scale and options → each network once, its data, what is missing and its cost."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench import data, stored_plans
from bench.damaged_files import Damaged
from bench.human_units import format_duration
from bench.run.cost_estimate import CostEstimator, load_timings, wall_seconds
from bench.run.missing_work import has_sound_weights, missing_measurements, networks_needed
from bench.run.request import Request
from bench.spec.expand import Plan, merge
from bench.spec.measurement import Measurement
from bench.spec.short_names import short_names
from bench.spec.trial import Trial
from bench.trial_dir import damaged_files

# Of a command beside its trials, on the clock: Ray, the workers' imports, MLflow's store, the report. Measured by `make
# speed-suite` on two cores: 18.5 s of 24 trials, 3.2 of them training and measuring.
START_SECONDS = 15


@dataclass(frozen=True)
class ExecutionPlan:
    """The trials of all suites of a request, each network once."""

    request: Request
    plans: list[Plan]
    trials: list[Trial]
    infos: dict[str, data.DatasetInfo]  # by trial key; shapes are those after pooling

    @classmethod
    def of(cls, request: Request) -> "ExecutionPlan":
        plans = request.plans()
        panels = [panel for plan in plans for panel in plan.panels]
        infos = {trial.key: panel.info_for(trial.recipe) for panel in panels for trial in panel.trials}
        return cls(request, plans, merge(trial for panel in panels for trial in panel.trials), infos)

    def directory(self, trial: Trial) -> Path:
        return self.request.runs / "trials" / trial.key

    @cached_property
    def missing(self) -> dict[str, list[Measurement]]:
        """{trial key: measurements that results.json lacked when first asked}. Cached: each is a file to read."""
        return {trial.key: missing_measurements(trial, self.directory(trial)) for trial in self.trials}

    @cached_property
    def estimator(self) -> CostEstimator:
        return CostEstimator(self.request.runs, self.request.workers)

    @cached_property
    def damages(self) -> list[Damaged]:
        """The damaged files among the plans, the machine's timings, and the small files of the plan's trials."""
        damages = stored_plans.read_plans(self.request.runs)[1]
        try:
            load_timings(self.request.runs)
        except Damaged as damage:
            damages.append(damage)
        return damages + [d for trial in self.trials for d in damaged_files(self.directory(trial), trial.key)]

    @cached_property
    def untrained_surrogates(self) -> set[str]:
        """Keys of networks without sound weights that a missing measurement, or the training of another one, takes."""
        needed = {key for trial in self.trials for key in networks_needed(trial, self.directory(trial))}
        return {key for key in needed if not has_sound_weights(self.request.runs / "trials", key)}

    @cached_property
    def costs(self) -> dict[str, dict]:
        """{trial key: cost}, see CostEstimator.trial_cost."""
        return {t.key: self.estimator.trial_cost(t, self.infos[t.key], self.missing[t.key]) for t in self.trials}

    @cached_property
    def remaining(self) -> list[Trial]:
        """The trials that lack a measurement, in the order in which they should run.

        First the networks whose weights others take, of these first those that take none that is untrained; then
        longest first, so that no slot is left with a long trial at the end.
        """
        untrained = self.untrained_surrogates
        remaining = [trial for trial in self.trials if self.missing[trial.key] or trial.key in untrained]
        surrogates = {key for trial in remaining for key in trial.needs}

        def order(trial: Trial) -> tuple[bool, bool, float]:
            waits = bool(trial.needs & untrained)
            return trial.key not in surrogates, waits, -self.costs[trial.key]["seconds_left"]

        return sorted(remaining, key=order)

    @cached_property
    def short_names(self) -> tuple[dict[str, str], str]:
        """The networks' names in lists, by key, and what all of them share: see spec/short_names.py."""
        recipes = {trial.key: trial.recipe for trial in self.trials}
        return short_names([{"key": key, "name": r.name, "recipe": r.model_dump()} for key, r in recipes.items()])

    @property
    def shared(self) -> int:
        """How many networks of panels are the same as another panel's, and are not trained again."""
        return sum(len(panel.trials) for plan in self.plans for panel in plan.panels) - len(self.trials)

    @cached_property
    def trial_bytes(self) -> int:
        """Memory that the largest remaining trial takes, roughly."""
        return max((self.estimator.trial_bytes(t.recipe, self.infos[t.key]) for t in self.remaining), default=0)

    @cached_property
    def slots(self) -> int:
        """Trials at once: by the workers' cores or GPUs, and by this machine's memory."""
        memory = self.request.workers.available_memory()
        fitting = self.request.slots if memory is None else memory // max(self.trial_bytes, 1)
        return max(1, min(self.request.slots, fitting))

    def wall_seconds(self) -> float:
        """Estimated wall-clock time of the remaining trials, start-up and report included."""
        seconds = wall_seconds([self.costs[t.key]["seconds_left"] for t in self.remaining], self.slots)
        return seconds + START_SECONDS if self.remaining else 0.0

    def summary(self) -> str:
        """ "24 networks, 48 more shared between panels; 3 cached; about 3 min left on this machine …"."""
        shared = f", {self.shared} more shared between panels" if self.shared else ""
        counts = f"{len(self.trials)} networks{shared}; {len(self.trials) - len(self.remaining)} cached"
        if not self.remaining:
            return f"{counts}; nothing left to do"
        left = format_duration(self.wall_seconds())
        return f"{counts}; about {left} left on {self.request.workers.place} with {self.slots} at a time"

    @property
    def notes(self) -> list[str]:
        """Lines on what became smaller because data or memory are few, each once."""
        notes = dict.fromkeys(note for plan in self.plans for panel in plan.panels for note in panel.notes)
        notes |= dict.fromkeys(self.request.workers.notes)
        if shared_parts := self.short_names[1]:
            notes[f"all networks: {shared_parts}"] = None
        if self.remaining and self.slots < self.request.slots:
            size = f"a trial takes about {self.trial_bytes / 1e9:.1f} GB of memory"
            notes[f"{size}: {self.slots} at a time instead of {self.request.slots}"] = None
        return list(notes)
