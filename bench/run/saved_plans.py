"""The plans that were run, as files in `runs/plans/`: the report reads from them which network belongs to which panel,
so that a missing one leaves a marked gap, and MLflow's tags come from them."""

import hashlib
import json
from pathlib import Path

from bench.atomic_write import write_json
from bench.run import provenance
from bench.spec.expand import Panel, Plan
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial

# Tags of a trial that no plan names, such as one brought from another machine.
UNPLANNED = {"suite": "", "figure": "", "scale": "unplanned", "protocol": "paper", "mlflow.source.name": "bench trial"}


def write(plan: Plan, runs: Path, command: str) -> Path:
    """One file per suite, scale and choice of panels; the same command replaces its own."""
    panels = [describe(panel) for panel in plan.panels]
    identity = [[p["experiment"], p["dataset"], p["data_hash"], p["overrides"]] for p in panels]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    path = runs / "plans" / f"{plan.suite}-{plan.scale}-{digest}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"suite": plan.suite, "scale": plan.scale, "command": command}
    write_json(path, head | {"created": provenance.now(), "git": provenance.git(), "panels": panels})
    return path


def describe(panel: Panel) -> dict:
    return {
        "experiment": panel.experiment,
        "figures": list(panel.figures),
        "stands_for": panel.stands_for,
        "dataset": panel.info.name,
        "data_hash": panel.info.fingerprint,
        "arch": panel.arch,
        "overrides": panel.overrides,
        "trials": [network(trial, label) for trial, label in zip(panel.trials, labels(panel), strict=True)],
    }


def labels(panel: Panel) -> list[str]:
    """The curve that each network belongs to: the suite's label, or its method, and whatever else tells it from a
    network of the same label, λ, learning rate and seed, or else two encodings, say, would be drawn as two seeds of
    one curve."""
    trials = panel.trials
    fields = [flat(trial.recipe) for trial in trials]
    for one in fields:
        for own in ("lam", "lr", "seed", "method", "norm"):
            one.pop(own)
    found = [panel.labels.get(trial.key, trial.recipe.label) for trial in trials]
    groups: dict[tuple, list[int]] = {}
    for i, trial in enumerate(trials):
        recipe = trial.recipe
        groups.setdefault((found[i], recipe.lam, recipe.lr, recipe.seed), []).append(i)
    for alike in groups.values():
        differing = [name for name in fields[alike[0]] if len({fields[i][name] for i in alike}) > 1]
        for i in alike:
            found[i] = ", ".join([found[i], *(f"{name}={fields[i][name]}" for name in differing)])
    return found


def flat(recipe: Recipe) -> dict[str, str]:
    """The recipe's fields as text, ledger rows as `protocol.<row>`."""
    fields = recipe.model_dump(mode="json")
    rows = {f"protocol.{name}": value for name, value in fields.pop("protocol").items()}
    return {name: "–" if value is None else str(value) for name, value in (fields | rows).items()}


def network(trial: Trial, label: str) -> dict:
    recipe = trial.recipe
    return {
        "key": trial.key,
        "name": recipe.name,
        "label": label,
        "method": recipe.method,
        "norm": recipe.norm,
        "slimmable": bool(recipe.widths),
        "lam": recipe.lam,
        "seed": recipe.seed,
        "lr": recipe.lr,
        "measurements": [what.key for what in trial.measurements],
        "recipe": recipe.model_dump(mode="json"),
    }


def read_all(runs: Path) -> list[dict]:
    """Every readable plan, oldest first."""
    plans = []
    for path in (runs / "plans").glob("*.json"):
        try:
            plan = json.loads(path.read_text())
            plans += [plan] if {"created", "panels"} <= plan.keys() else []
        except (OSError, ValueError, AttributeError):
            continue
    return sorted(plans, key=lambda plan: plan["created"])


def tags(runs: Path) -> dict[str, dict[str, str]]:
    """{trial key: MLflow tags}: all figures and suites that use the network, and the newest plan's commit."""
    found: dict[str, dict[str, str]] = {}
    for plan in read_all(runs):
        for panel in plan["panels"]:
            for trial in panel["trials"]:
                tag = found.setdefault(trial["key"], {"suite": "", "figure": ""})
                tag["suite"] = " ".join(sorted({*tag["suite"].split(), plan["suite"]}))
                tag["figure"] = " ".join(sorted({*tag["figure"].split(), *panel["figures"]}, key=figure_order))
                tag |= {"scale": plan["scale"], "protocol": panel["overrides"].get("protocol", "paper")}
                tag |= {"mlflow.source.git.commit": plan["git"]["commit"], "command": plan["command"]}
                tag |= {"mlflow.source.name": source(plan)}
    return found


def source(plan: dict) -> str:
    """The suite's file, as the command named it."""
    files = [word for word in plan["command"].split() if word.endswith((".yaml", ".yml"))]
    return next((file for file in files if Path(file).stem == plan["suite"]), f"suites/{plan['suite']}.yaml")


def figure_order(name: str) -> tuple[str, int]:
    """fig4 before fig10."""
    digits = "".join(c for c in name if c.isdigit())
    return name.rstrip("0123456789"), int(digits or 0)
