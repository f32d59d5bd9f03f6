"""The tags of MLflow runs: names, and those that come from plans: which suites and figures use a network."""

from collections.abc import Iterable
from pathlib import Path

RUNS_ID_TAG = "bench.runs"  # the runs directory that an MLflow run belongs to
LAYOUT_TAG = "bench.layout"  # the LAYOUT that an MLflow run was written in
MEASUREMENTS_TAG = "bench.measurements"  # keys of the measurements that an MLflow run holds
CURVE_TAG = "bench.curve"  # of a network's run: the key of its curve (curves.py)
PARENT_TAG, COLOUR_TAG, NOTE_TAG = "mlflow.parentRunId", "mlflow.runColor", "mlflow.note.content"
REPORT_KEY = "report"  # in place of a recipe's key: the run that holds the drawn figures
LAYOUT = "2"  # of names, units and nesting of what is logged; runs of another layout are written anew

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
                trial_tags |= {
                    "suite": joined_words([trial_tags["suite"], plan["suite"]]),
                    "figure": joined_words([trial_tags["figure"], *panel["figures"]]),
                    "scale": plan["scale"],
                    "protocol": panel["overrides"].get("protocol", "paper"),
                    "mlflow.source.git.commit": plan["git"]["commit"],
                    "command": plan["command"],
                    "mlflow.source.name": suite_file(plan),
                }
    return tags


def joined_words(texts: Iterable[str]) -> str:
    """The distinct words of all texts, in order, with spaces between: of figures, suites, seeds."""
    words = sorted({word for text in texts for word in text.split()})
    return " ".join(sorted(words, key=figure_order))


def suite_file(plan: dict) -> str:
    """The suite's file, as the command named it."""
    files = [word for word in plan["command"].split() if word.endswith((".yaml", ".yml"))]
    return next((file for file in files if Path(file).stem == plan["suite"]), f"suites/{plan['suite']}.yaml")


def figure_order(name: str) -> tuple[str, int]:
    """Sort key that puts fig4 before fig10."""
    digits = "".join(c for c in name if c.isdigit())
    return name.rstrip("0123456789"), int(digits or 0)
