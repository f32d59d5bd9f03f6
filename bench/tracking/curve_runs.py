"""MLflow's parent runs: one per curve, with the mean over its seeds, above the runs of its networks.

`open_curve_run` makes an empty one when the first network of a curve starts; `write_curve_runs` makes and completes all
from the networks' runs and directories, and changes nothing where they are complete.

A curve's run starts before all networks of its experiment: MLflow's pages nest runs only where they are sorted by their
start, and load a hundred at a time, so that all curves are among the first.
"""

import hashlib
import json
from typing import TYPE_CHECKING

from mlflow.entities import Metric, Run, RunTag

from bench.spec.recipe import Recipe
from bench.tracking import experiment_page, run_tags
from bench.tracking.curves import curve_colours, curve_key, curve_name, distinct_names, mean_points
from bench.tracking.mlflow_metrics import is_percent, measurement_metrics, milliseconds_now
from bench.trial_dir import read_results

if TYPE_CHECKING:
    from bench.tracking.mlflow_writer import MlflowWriter

JOINED_TAGS = ("suite", "figure", "scale", "protocol", "seed")  # of the networks' runs
PREFIX = "curve-"  # of the `key` of a curve's run, where a network's run has the recipe's key


def open_curve_run(writer: "MlflowWriter", experiment_id: str, recipe: Recipe, start_time: int | None) -> str:
    """The id of the run of the recipe's curve, created if need be. start_time: of the recipe's run; None: now."""
    runs, key = writer.runs_in(experiment_id), PREFIX + curve_key(recipe)
    if key not in runs:
        name = curve_name(recipe.name, recipe.seed, recipe.lam).partition(" · ")[0]  # `write_curve_runs` adds the rest
        first = min([start_time or milliseconds_now(), *(run.info.start_time for run in runs.values())])
        runs[key] = create(writer, experiment_id, key, name, recipe.method, first)
        writer.client.update_run(runs[key].info.run_id, "SCHEDULED")  # not RUNNING, which a killed command leaves
    return runs[key].info.run_id


def create(writer: "MlflowWriter", experiment_id: str, key: str, name: str, method: str, start_time: int) -> Run:
    """An empty run of a curve. start_time: in milliseconds since 1970."""
    tags = {run_tags.RUNS_ID_TAG: writer.runs_id, run_tags.LAYOUT_TAG: run_tags.LAYOUT, "key": key, "method": method}
    return writer.client.create_run(experiment_id, start_time, tags, name)


def write_curve_runs(writer: "MlflowWriter") -> None:
    """Bring the curves' runs of all experiments up to their networks' runs. Call while no network's run changes."""
    for experiment_id in writer.experiment_ids.values():
        writer.runs_cache.pop(experiment_id, None)  # tags have changed since the runs were read
        runs = writer.runs_in(experiment_id)
        networks: dict[str, list[Run]] = {}
        for run in sorted(runs.values(), key=lambda run: run.data.tags["key"]):
            if run_tags.CURVE_TAG in run.data.tags:
                networks.setdefault(run.data.tags[run_tags.CURVE_TAG], []).append(run)
        for key in [key for key in runs if key.startswith(PREFIX) and key.removeprefix(PREFIX) not in networks]:
            writer.client.delete_run(runs.pop(key).info.run_id)  # its networks are in another experiment now
        names = distinct_names({c: (name_of(members[0]), members[0].data.params) for c, members in networks.items()})
        colours = curve_colours({c: (names[c], members[0].data.tags["label"]) for c, members in networks.items()})
        first = min((run.info.start_time for members in networks.values() for run in members), default=0)
        for rank, curve in enumerate(colours):
            start_time = first - len(networks) + rank
            write_curve_run(writer, PREFIX + curve, networks[curve], names[curve], colours[curve], start_time)


def name_of(run: Run) -> str:
    """The name of a network's curve."""
    seed, lam = run.data.params["seed"], run.data.params["lam"]
    return curve_name(run.info.run_name, int(seed), None if lam == "–" else float(lam))


def write_curve_run(
    writer: "MlflowWriter", key: str, members: list[Run], name: str, colour: str, start_time: int
) -> None:
    """Complete the run of one curve, and nest its networks' runs, `members`, under it. start_time: of a new run."""
    client, experiment_id = writer.client, members[0].info.experiment_id
    runs = writer.runs_in(experiment_id)
    tags = {tag: run_tags.joined_words(run.data.tags[tag] for run in members) for tag in JOINED_TAGS}
    tags |= {tag: members[0].data.tags[tag] for tag in ("method", "label")}
    note = experiment_page.curve_note(tags["seed"], tags["figure"], runs.get(run_tags.REPORT_KEY))
    tags |= {run_tags.COLOUR_TAG: colour, run_tags.NOTE_TAG: note}
    measured = {run.data.tags["key"]: run.data.tags.get(run_tags.MEASUREMENTS_TAG, "") for run in members}
    digest = hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()[:16]
    tags[run_tags.MEASUREMENTS_TAG] = digest
    if key in runs:
        is_measured, is_current = runs[key].data.metrics, runs[key].data.tags.get(run_tags.MEASUREMENTS_TAG) == digest
        if is_measured and not is_current or runs[key].info.start_time > min(run.info.start_time for run in members):
            client.delete_run(runs.pop(key).info.run_id)  # MLflow cannot change a metric, nor the start
    if key not in runs:
        runs[key] = create(writer, experiment_id, key, name, tags["method"], start_time)
    run_id = runs[key].info.run_id
    if runs[key].data.tags.get(run_tags.MEASUREMENTS_TAG) != digest:
        writer.log_metrics(run_id, mean_metrics(writer, members))
        spent = sum(run.info.end_time - run.info.start_time for run in members if run.info.end_time)
        status = "FINISHED" if any(measured.values()) else members[0].info.status
        client.set_terminated(run_id, status, runs[key].info.start_time + spent)
    if runs[key].info.run_name != name:
        client.update_run(run_id, name=name)
    set_tags(writer, runs[key], tags)  # after the metrics, which a kill would otherwise leave out
    for run in members:
        set_tags(writer, run, {run_tags.PARENT_TAG: run_id, run_tags.COLOUR_TAG: colour})


def mean_metrics(writer: "MlflowWriter", members: list[Run]) -> list[Metric]:
    """The metrics of the curve: at each step the mean over the networks that were measured there."""
    networks, now = [], milliseconds_now()
    for run in members:
        results = read_results(writer.runs / "trials" / run.data.tags["key"])
        entries, seed = results.get("measurements", {}).values(), int(run.data.params["seed"])
        metrics = [metric for entry in entries for metric in measurement_metrics(entry, seed)]
        networks.append({(metric.key, metric.step): metric.value for metric in metrics})
    means = mean_points(networks).items()
    return [Metric(name, round(value, 2 if is_percent(name) else 6), now, step) for (name, step), value in means]


def set_tags(writer: "MlflowWriter", run: Run, tags: dict[str, str]) -> None:
    """Set the tags that the run lacks or has with another value."""
    changed = [RunTag(name, value) for name, value in tags.items() if run.data.tags.get(name) != value]
    if changed:
        writer.client.log_batch(run.info.run_id, tags=changed)
