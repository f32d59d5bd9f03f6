"""`runs/plans/*.json`: what each `run` command planned.

Reports read from these files which network belongs to which panel, so that a missing network leaves a marked gap;
MLflow's tags are derived from them too.
"""

from collections.abc import Iterator
from pathlib import Path

from bench import stored_plans
from bench.damaged_files import Damaged, set_aside, write_sealed
from bench.data import NAMED_DATASETS
from bench.run import provenance
from bench.run.curve_labels import curve_labels
from bench.spec.expand import Panel, Plan
from bench.spec.trial import Trial


def write_plan(plan: Plan, runs: Path, command: str) -> Path:
    """Write one file per suite, scale and choice of panels; the same command replaces its own file."""
    header = {"suite": plan.suite, "scale": plan.scale, "command": command}
    header |= {"created": provenance.now(), "git": provenance.git()}
    stored = header | {"panels": [describe_panel(panel) for panel in plan.panels]}
    path = runs / "plans" / stored_plans.file_name(stored)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        stored_plans.read_plan(path)
    except Damaged as damage:
        if path.exists():
            set_aside(damage.path)
    write_sealed(path, stored)
    return path


def describe_panel(panel: Panel) -> dict:
    return {
        "experiment": panel.experiment,
        "figures": list(panel.figures),
        "stands_for": panel.stands_for,
        "dataset": panel.info.name,
        "own": panel.info.name not in NAMED_DATASETS,  # the user's images: figures name no other data set beside them
        "data_hash": panel.info.fingerprint,
        "arch": panel.arch,
        "overrides": panel.overrides,
        "trials": list(describe_curves(panel)),
    }


def describe_curves(panel: Panel) -> Iterator[dict]:
    """Yield an entry per trial and curve that it belongs to: its own, and one per blend.

    An entry has the measurements of its curve, and those of other probes than accuracy, as of the network's cost.
    """
    for trial, label in zip(panel.trials, curve_labels(panel), strict=True):
        blends = {blend: text for (key, blend), text in panel.blend_labels.items() if key == trial.key}
        for blend in blends if trial.blends_alone else [None, *blends]:
            measured = [m for m in trial.measurements if m.blend == blend or m.probe != "accuracy"]
            entry = describe_trial(trial, blends[blend] if blend else label)
            entry |= {"blend": blend, "lam": None} if blend else {}
            yield entry | {"measurements": [measurement.key for measurement in measured]}


def describe_trial(trial: Trial, label: str) -> dict:
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
        "measurements": [measurement.key for measurement in trial.measurements],
        "recipe": recipe.model_dump(mode="json"),
    }


def read_plans(runs: Path) -> list[dict]:
    """Every undamaged plan, oldest first."""
    return stored_plans.read_plans(runs)[0]
