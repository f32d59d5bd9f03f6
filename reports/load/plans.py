"""Read the plans of runs: runs/plans/*.json lists every network of every panel, also the missing ones."""

import json
import re
from pathlib import Path

from bench import stored_plans

TRIAL_FIELDS = ("key", "name", "label", "method", "lam", "seed", "lr", "recipe")  # that reports take from a plan


def read_plans(runs: Path, pattern: str = "*.json") -> tuple[list[dict], list[str]]:
    """Plans under `runs`, oldest first, and a note for each damaged file. pattern: of the files' names.

    Their commands are without --runs, which is a path on one machine.
    """
    plans, damages = stored_plans.read_plans(runs, pattern)
    plans = [plan | {"command": without_runs(plan["command"])} for plan in plans]
    return plans, [f"plan {damage.path.name} could not be read: {damage.reason}" for damage in damages]


def without_runs(command: str) -> str:
    return re.sub(r" --runs[ =](?:'[^']*'|\S+)", "", command)


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
