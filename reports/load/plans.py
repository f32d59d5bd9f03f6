"""Read the plans of runs: runs/plans/*.json lists every network of every panel, also the missing ones."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from bench import stored_plans
from bench.errors import BadInput

TRIAL_FIELDS = ("key", "name", "label", "method", "lam", "seed", "lr", "recipe")  # that reports take from a plan
RUNS_OPTION = re.compile(r" --runs[ =](?:'[^']*'|\S+)")


def read_plans(runs: Path, chosen: Sequence[str] = ()) -> tuple[list[dict], list[str]]:
    """Plans under `runs`, oldest first, and a note for each damaged file. chosen: how their names begin; empty: all.

    Their commands are without --runs, which is a path on one machine. Raises BadInput.
    """
    read = [stored_plans.read_plans(runs, file.name) for file in plan_files(runs, chosen)]
    plans = sorted((plan for plans, _ in read for plan in plans), key=stored_plans.created)
    plans = [plan | {"command": RUNS_OPTION.sub("", plan["command"])} for plan in plans]
    damages = [damage for _, damaged in read for damage in damaged]
    return plans, [f"plan {damage.path.name} could not be read: {damage.reason}" for damage in damages]


def plan_files(runs: Path, chosen: Sequence[str] = ()) -> list[Path]:
    """Files of the plans whose names begin so, by name; all for none chosen. Raises BadInput for a name of no plan."""
    files = sorted((runs / "plans").glob("*.json"))
    for name in chosen:
        if not any(file.name.startswith(name) for file in files):
            names = ", ".join(file.stem for file in files)
            raise BadInput(f"--plan {name}: no plan under {runs / 'plans'} begins so: there are {names or 'none'}")
    return [file for file in files if not chosen or file.name.startswith(tuple(chosen))]


def belongs_to(panel: dict, figure: str) -> bool:
    return figure in panel["figures"] and bool(panel["trials"])


def plans_of(figure: str, plans: list[dict]) -> list[dict]:
    return [plan for plan in plans if any(belongs_to(panel, figure) for panel in plan["panels"])]


def current_panels(plans: list[dict], figure: str) -> tuple[list[dict], list[dict]]:
    """Planned panels of the figure and the plans they come from. plans: of one scale, oldest first.

    The newest plan wins among panels of the same experiment, data set and overrides.
    """
    newest, origin = {}, {}
    for plan in plans:
        for panel in plan["panels"]:
            if belongs_to(panel, figure):
                overrides = json.dumps(panel["overrides"], sort_keys=True)
                identity = (panel["experiment"], panel["dataset"], panel.get("data_hash"), overrides)
                newest[identity], origin[identity] = panel, plan
    used = [plan for plan in plans if any(plan is source for source in origin.values())]
    return list(newest.values()), used
