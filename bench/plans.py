"""The plans that were run, as files in `runs/plans/`: the report reads from them which network belongs to which panel,
so that a missing one leaves a marked gap, and MLflow's tags come from them."""

import hashlib
import json
from pathlib import Path

from bench import provenance
from bench.specs import Trial
from bench.suite import Panel, Plan
from bench.trial import write_json

# Tags of a trial that no plan names, such as one brought from another machine.
UNPLANNED = {"suite": "", "figure": "", "scale": "unplanned", "protocol": "paper", "mlflow.source.name": "bench trial"}


def write(plan: Plan, runs: Path, command: str) -> Path:
    """One file per suite, scale and choice of panels; the same command replaces its own."""
    panels = [describe(panel) for panel in plan.panels]
    identity = [[p["experiment"], p["dataset"], p["overrides"]] for p in panels]
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
        "arch": panel.arch,
        "overrides": panel.overrides,
        "trials": [network(trial) for trial in panel.trials],
    }


def network(trial: Trial) -> dict:
    recipe = trial.recipe
    return {
        "key": trial.key,
        "name": recipe.name,
        "label": recipe.label,
        "method": recipe.method,
        "lam": recipe.lam,
        "seed": recipe.seed,
        "lr": recipe.lr,
        "measurements": [what.key for what in trial.measurements],
    }


def read_all(runs: Path) -> list[dict]:
    """Every readable plan, oldest first."""
    plans = []
    for path in (runs / "plans").glob("*.json"):
        try:
            plans.append(json.loads(path.read_text()))
        except (OSError, json.JSONDecodeError):
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
                tag |= {"mlflow.source.name": f"suites/{plan['suite']}.yaml"}
    return found


def figure_order(name: str) -> tuple[str, int]:
    """fig4 before fig10."""
    digits = "".join(c for c in name if c.isdigit())
    return name.rstrip("0123456789"), int(digits or 0)
