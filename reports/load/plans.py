"""Read the plans of runs: runs/plans/*.json lists every network of every panel, also the missing ones."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench import stored_plans


def read_plans(runs: Path, chosen: Sequence[str] = ()) -> tuple[list[dict], list[str]]:
    """Plans under `runs`, oldest first, and a note for each damaged file. chosen: how their names begin; empty: all.

    Raises BadInput.
    """
    plans, damages = stored_plans.read_plans(runs, chosen)
    notes = [f"plan {damage.path.name} could not be read: {damage.reason}" for damage in damages]
    return [stored_plans.without_runs(plan) for plan in plans], notes


def belongs_to(panel: dict, figure: str) -> bool:
    return figure in panel["figures"] and bool(panel["trials"])


def plans_of(figure: str, plans: list[dict]) -> list[dict]:
    return [plan for plan in plans if any(belongs_to(panel, figure) for panel in plan["panels"])]


def current_panels(plans: list[dict], figure: str) -> tuple[list[dict], list[dict]]:
    """Planned panels of the figure and the plans they come from. plans: of one scale, oldest first.

    The newest plan wins among panels of the same experiment, data set and overrides.
    """
    newest = {}
    for plan in plans:
        for panel in plan["panels"]:
            if belongs_to(panel, figure):
                overrides = json.dumps(panel["overrides"], sort_keys=True)
                identity = (panel["experiment"], panel["dataset"], panel.get("data_hash"), overrides)
                newest[identity] = panel, plan
    sources = [id(plan) for _, plan in newest.values()]
    return [panel for panel, _ in newest.values()], [plan for plan in plans if id(plan) in sources]
