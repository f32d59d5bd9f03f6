"""Read `runs/plans/*.json`, which bench/run/plan_files.py writes: every network of every panel."""

import hashlib
import json
import re
from datetime import datetime
from pathlib import Path

from bench.damaged_files import Damaged, read_sealed

TEXTS = {
    "plan": ("suite", "scale", "command"),
    "panel": ("experiment", "dataset", "arch"),
    "trial": ("key", "name", "label", "method"),
}
IDENTITY = ("experiment", "dataset", "data_hash", "overrides")  # of a panel
KEY = re.compile(r"[0-9A-Za-z_-]+")  # it becomes a folder's name
FIGURE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")  # files are named after it
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def read_plans(runs: Path, pattern: str = "*.json") -> tuple[list[dict], list[Damaged]]:
    """Plans under `runs`, oldest first, and what is damaged. pattern: of the files' names."""
    plans, damages = [], []
    for path in sorted((runs / "plans").glob(pattern)):
        try:
            plan = read_plan(path)
            plans.append((created(plan), path.name, plan))
        except Damaged as damage:
            damages.append(damage)
    return [plan for *_, plan in sorted(plans, key=lambda entry: entry[:2])], damages


def read_plan(path: Path) -> dict:
    """One plan. Raises Damaged, also where there is no file."""
    plan = read_sealed(path)
    if plan is None:
        raise Damaged(path, "it is gone")
    try:
        check(plan)
    except MALFORMED as error:
        text = str(error) if isinstance(error, ValueError) else repr(error)
        raise Damaged(path, f"it has not the fields of a plan ({text[:100]})") from None
    return plan


def file_name(plan: dict) -> str:
    """SUITE-SCALE-DIGEST.json: one file per suite, scale and choice of panels."""
    panels = [[panel.get(name) for name in IDENTITY] for panel in plan["panels"]]
    digest = hashlib.sha256(json.dumps(panels, sort_keys=True).encode()).hexdigest()[:8]
    return f"{plan['suite']}-{plan['scale']}-{digest}.json"


def check(plan: dict) -> None:
    """Raise an exception unless the plan has all fields that readers use, each of its type."""
    created(plan)
    require_texts("plan", plan)
    require(isinstance(plan["git"]["commit"], str), "git")
    for panel in plan["panels"]:
        require_texts("panel", panel)
        require(isinstance(panel["stands_for"], str), "stands_for")
        require(all(FIGURE.fullmatch(figure) for figure in as_list(panel["figures"])), "figures")
        panel["overrides"].items()
        for trial in as_list(panel["trials"]):
            require_texts("trial", trial)
            require(bool(KEY.fullmatch(trial["key"])), "key")
            require(all(isinstance(key, str) for key in as_list(trial["measurements"])), "measurements")
            numbers = [trial["seed"], trial["lr"], 0 if trial["lam"] is None else trial["lam"]]
            require(all(isinstance(number, int | float) for number in numbers), "seed, lr or lam")
            trial["recipe"].items()


def created(plan: dict) -> float:
    """When the plan was made, in seconds since 1970."""
    return datetime.fromisoformat(plan["created"]).timestamp()


def require_texts(kind: str, fields: dict) -> None:
    for name in TEXTS[kind]:
        require(isinstance(fields[name], str), name)


def require(condition: bool, name: str) -> None:
    if not condition:
        raise ValueError(f"{name} is of another type")


def as_list(value: object) -> list:
    require(isinstance(value, list), "a list")
    return value
