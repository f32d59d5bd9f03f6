"""The `forget` verb: take a plan out of a runs directory, so that reports no longer draw it."""

from pathlib import Path

from rich.console import Console

from bench import stored_plans
from bench.errors import BadInput
from bench.run.driver_lock import driver_lock
from bench.run.next_command import next_command
from bench.trial_dir import undamaged

DRAWN = ("png", "svg", "pdf", "csv", "json")  # a figure's files in a report


def forget(name: str, runs: Path, out: Console) -> None:
    """Delete the plan whose file in plans/ begins with `name`, and the figures of no other plan from runs/report.

    The networks stay. Raises BadInput where no plan, or more than one, begins so.
    """
    with driver_lock(runs):
        path = find_plan(name, runs)
        plan = undamaged(stored_plans.read_plan, path) or {"panels": [], "command": ""}
        path.unlink()
        others, _ = stored_plans.read_plans(runs)
        stale = sorted(figures(plan) - {figure for other in others for figure in figures(other)})
        for file in (runs / "report" / f"{figure}.{suffix}" for figure in stale for suffix in DRAWN):
            file.unlink(missing_ok=True)
    shared = keys(plan) & {key for other in others for key in keys(other)}
    again = f"; it comes back with: {plan['command']}" if plan["command"] else ""
    out.print(f"forgot the plan {path.stem}{again}", soft_wrap=True)
    if stale:
        out.print(f"no other plan has {', '.join(stale)}: deleted from {runs / 'report'}", soft_wrap=True)
    also = f", {len(shared)} of them in other plans too" if shared else ""
    clean = next_command("clean unplanned", runs)
    out.print(f"its {len(keys(plan))} networks stay{also}: `{clean}` deletes those of no plan", soft_wrap=True)


def find_plan(name: str, runs: Path) -> Path:
    """The only file in plans/ that begins so, or has exactly this name. Raises BadInput."""
    files = sorted((runs / "plans").glob("*.json"))
    matches = [file for file in files if name in (file.stem, file.name)]
    matches = matches or [file for file in files if name and file.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    names = ", ".join(file.stem for file in matches or files)
    if matches:
        raise BadInput(f"plan {name}: {names} begin so: give more of the name")
    raise BadInput(f"plan {name}: no plan in {runs / 'plans'} begins so: there are {names or 'none'}")


def figures(plan: dict) -> set[str]:
    return {figure for panel in plan["panels"] for figure in panel["figures"]}


def keys(plan: dict) -> set[str]:
    return {trial["key"] for panel in plan["panels"] for trial in panel["trials"]}
