"""Read `runs/plans/*.json`, which bench/run/plan_files.py writes: every network of every panel."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bench.damaged_files import Damaged, read_sealed
from bench.errors import BadInput

TEXTS = {
    "plan": ("suite", "scale", "command"),
    "panel": ("experiment", "dataset", "arch"),
    "trial": ("key", "name", "label", "method"),
}
IDENTITY = ("experiment", "dataset", "data_hash", "overrides")  # of a panel
KEY = re.compile(r"[0-9A-Za-z_-]+")  # it becomes a folder's name
FIGURE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")  # files are named after it
RUNS_OPTION = re.compile(r" --runs[ =](?:'[^']*'|\S+)")
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def read_plans(runs: Path, chosen: Sequence[str] = ()) -> tuple[list[dict], list[Damaged]]:
    """Plans under `runs`, oldest first, and what is damaged. chosen: see `plan_files`. Raises BadInput."""
    plans, damages = [], []
    for path in plan_files(runs, chosen):
        try:
            plan = read_plan(path)
            plans.append((created(plan), path.name, plan))
        except Damaged as damage:
            damages.append(damage)
    return [plan for *_, plan in sorted(plans, key=lambda entry: entry[:2])], damages


def plan_files(runs: Path, chosen: Sequence[str] = ()) -> list[Path]:
    """Files of the plans whose names begin so, by name; all for none chosen. Raises BadInput for a name of no plan."""
    files = sorted((runs / "plans").glob("*.json"))
    for name in chosen:
        if not any(file.name.startswith(name) for file in files):
            names = ", ".join(file.stem for file in files)
            raise BadInput(f"--plan {name}: no plan under {runs / 'plans'} begins so: there are {names or 'none'}")
    return [file for file in files if not chosen or file.name.startswith(tuple(chosen))]


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


def without_runs(plan: dict) -> dict:
    """The plan without --runs in its command, which is a path on one machine: for reports and archives."""
    return plan | {"command": RUNS_OPTION.sub("", plan["command"])}


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
