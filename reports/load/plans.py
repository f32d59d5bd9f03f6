"""Read the plans of runs: runs/plans/*.json lists every network of every panel, also the missing ones."""

import json
from datetime import datetime
from pathlib import Path

from reports.load import formatting

PANEL_FIELDS = ("figures", "experiment", "dataset", "arch", "overrides", "stands_for")
TRIAL_FIELDS = ("key", "name", "label", "method", "lam", "seed", "lr", "recipe")  # that reports take from a plan
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, OSError)  # raised by a damaged file


def read_plans(runs: Path, pattern: str = "*.json") -> tuple[list[dict], list[str]]:
    """Plans under `runs`, oldest first, and a note for each unreadable file. pattern: of the files' names."""
    plans, notes = [], []
    for path in sorted((runs / "plans").glob(pattern)):
        try:
            plan = json.loads(path.read_text("utf-8"))
            for panel in plan["panels"]:
                _ = [panel[field] for field in PANEL_FIELDS]
                _ = [trial[field] for trial in panel["trials"] for field in (*TRIAL_FIELDS, "measurements")]
            plans.append((datetime.fromisoformat(plan["created"]).timestamp(), path.name, plan))
        except DAMAGED as error:
            notes.append(f"plan {path.name} could not be read ({formatting.first_line(repr(error))})")
    return [plan for *_, plan in sorted(plans, key=lambda entry: entry[:2])], notes


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
