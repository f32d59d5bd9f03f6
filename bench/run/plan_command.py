"""The `plan` verb: print what `run` would do and what it would cost."""

import json
from pathlib import Path

from rich.console import Console

from bench.human_units import format_duration
from bench.run.aligned_rows import print_rows
from bench.run.damage_lines import print_damages
from bench.run.execution_plan import ExecutionPlan
from bench.run.job_array_files import write_trial_files
from bench.run.ray_address import on_cluster
from bench.run.request import Request
from bench.run.seed_groups import by_seed, keys_of, name_of, seeds_of
from bench.spec.trial import Trial
from bench.trial_dir import read_failure

RECIPE_FIELDS = ("dataset", "pool", "heldout", "batch", "arch", "method", "norm", "lam", "lr", "seed")


def print_plan(
    request: Request,
    as_json: bool,
    out: Console,
    address: str | None = None,
    trials: Path | None = None,
    command: str = "",
) -> None:
    """Print the plan as a table, or as one JSON object, and write trial files to the folder `trials`."""
    with on_cluster(request, address) as request:
        plan = ExecutionPlan.of(request)
        print_damages(plan.damages, Console(stderr=True, highlight=False))
        plan_object = plan_as_dict(plan)
        paths, lines = write_trial_files(plan, trials, command) if trials else ([], [])
    for line in lines:
        Console(stderr=True, highlight=False, markup=False).print(line, soft_wrap=True)
    if as_json:
        print(json.dumps(plan_object))  # ASCII, which any terminal and reader takes
        return
    print_table(plan, plan_object, out)
    if trials:
        out.print(f"wrote {len(paths)} trial files", soft_wrap=True)
        if paths:
            each = f"python -m bench trial {trials}/KEY.json for each key"
            out.print(f"next: {each}, then python -m bench ingest {trials} (docs/cluster.md)", soft_wrap=True)
    elif plan.remaining:
        out.print("next: python -m bench run, with the same arguments")


def print_table(plan: ExecutionPlan, plan_object: dict, out: Console) -> None:
    """Print a row per network, its seeds together, then what becomes smaller, and the cost."""
    networks = [
        row | {"name": plan.short_names[0][trial.key], "recipe": trial.recipe.model_dump(mode="json")}
        for row, trial in zip(plan_object["trials"], plan.trials, strict=True)
    ]
    rows = [(name_of(g), figures_of(g), seeds_of(g), left_of(g), keys_of(g)) for g in by_seed(networks)]
    print_rows(("network", "for", "seeds", "left", "keys"), rows, out, folds=0)
    for note in plan.notes:
        out.print(note, soft_wrap=True)
    macs = plan_object["cost"]["macs"]
    out.print(f"{plan.summary()}; {macs:.2g} multiply–accumulates in all", soft_wrap=True)


def figures_of(group: list[dict]) -> str:
    """The figures that any of the networks is planned for."""
    return " ".join(dict.fromkeys(name for row in group for use in row["experiments"] for name in use["figures"]))


def left_of(group: list[dict]) -> str:
    """ "12 min" of computing that the networks lack together, or "cached"; and how many of them failed before."""
    left = [row for row in group if not row["cached"]]
    text = format_duration(3600 * sum(row["hours_left"] for row in left)) if left else "cached"
    if left and len(left) < len(group):
        text += f", {len(group) - len(left)} cached"
    failed = sum(row["failed_before"] for row in group)
    return text + (f" ({failed} failed before)" if failed else "")


def plan_as_dict(plan: ExecutionPlan) -> dict:
    """What `plan --json` prints."""
    experiments: dict[str, list[dict]] = {}  # by trial key
    for suite_plan in plan.plans:
        for panel in suite_plan.panels:
            entry = {"suite": suite_plan.suite, "experiment": panel.experiment, "figures": list(panel.figures)}
            for trial in panel.trials:
                experiments.setdefault(trial.key, []).append(entry)
    trials = [trial_as_dict(plan, trial) | {"experiments": experiments[trial.key]} for trial in plan.trials]
    cost = {
        "macs": sum(row["macs"] for row in trials),
        "trial_hours": sum(row["hours"] for row in trials),
        "wall_hours_left": plan.wall_seconds() / 3600,
        "slots": plan.slots,
        "machine": plan.request.workers.hardware_name(),
        "shared": plan.shared,
    }
    return {"trials": trials, "cost": cost}


def trial_as_dict(plan: ExecutionPlan, trial: Trial) -> dict:
    recipe, cost = trial.recipe, plan.costs[trial.key]
    return {
        "key": trial.key,
        "name": recipe.name,
        "cached": not plan.missing[trial.key],
        "failed_before": read_failure(plan.directory(trial), trial.key) is not None,
        **{field: getattr(recipe, field) for field in RECIPE_FIELDS},
        "macs": cost["macs"],
        "hours": cost["seconds"] / 3600,
        "hours_left": cost["seconds_left"] / 3600,
    }
