"""The tags of MLflow runs that come from plans: which suites and figures use a network."""

from collections.abc import Iterable
from pathlib import Path

# Tags of a trial that no plan names, such as one copied from another machine.
UNPLANNED = {"suite": "", "figure": "", "scale": "unplanned", "protocol": "paper", "mlflow.source.name": "bench trial"}


def tags_by_key(plans: Iterable[dict]) -> dict[str, dict[str, str]]:
    """{trial key: MLflow tags} of all networks in these plan files, oldest plan first.

    `suite` and `figure` list every suite and figure that uses the network; the other tags are the newest plan's.
    """
    tags: dict[str, dict[str, str]] = {}
    for plan in plans:
        for panel in plan["panels"]:
            for trial in panel["trials"]:
                trial_tags = tags.setdefault(trial["key"], {"suite": "", "figure": ""})
                suites = {*trial_tags["suite"].split(), plan["suite"]}
                figures = {*trial_tags["figure"].split(), *panel["figures"]}
                trial_tags |= {
                    "suite": " ".join(sorted(suites)),
                    "figure": " ".join(sorted(figures, key=figure_order)),
                    "scale": plan["scale"],
                    "protocol": panel["overrides"].get("protocol", "paper"),
                    "mlflow.source.git.commit": plan["git"]["commit"],
                    "command": plan["command"],
                    "mlflow.source.name": suite_file(plan),
                }
    return tags


def suite_file(plan: dict) -> str:
    """The suite's file, as the command named it."""
    files = [word for word in plan["command"].split() if word.endswith((".yaml", ".yml"))]
    return next((file for file in files if Path(file).stem == plan["suite"]), f"suites/{plan['suite']}.yaml")


def figure_order(name: str) -> tuple[str, int]:
    """Sort key that puts fig4 before fig10."""
    digits = "".join(c for c in name if c.isdigit())
    return name.rstrip("0123456789"), int(digits or 0)
