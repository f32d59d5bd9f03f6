"""The `show` verb: print how one network, a point of a figure, was made, from its trial's directory and the plans."""

import contextlib
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.errors import BadInput
from bench.find_trial import find_trial
from bench.human_units import format_duration
from bench.measures import correct_bits
from bench.measures.best_known import attacks_by_point, best_known
from bench.run.aligned_rows import print_whole
from bench.run.damage_lines import print_damages
from bench.run.plan_files import read_plans
from bench.run.status_command import state_of
from bench.spec.recipe import Recipe
from bench.tracking.mlflow_run_record import read_index_record
from bench.trial_dir import damaged_files, load_recipe, read_failure, read_progress, read_results, undamaged

HARDWARE = ("device", "host_cpu", "threads", "engine", "torch", "python")  # names in the provenance


def print_trial(key_prefix: str, runs: Path, out: Console) -> None:
    """Print everything known about a trial. Raises BadInput unless exactly one trial's key begins with the prefix."""
    directory = find_trial(key_prefix, runs)
    key, uses = directory.name, planned_uses(directory.name, runs)
    print_damages(damaged_files(directory, key), out)
    recipe = undamaged(load_recipe, directory, key) or stored_recipe(directory, uses)
    measurements = [measurement for use in uses for measurement in use["measurements"]]
    state = state_of(directory, measurements)
    out.print(Text.assemble((recipe.name, "bold"), f"  {recipe.key}"))
    epochs = f", {state['epoch']}/{state['epochs']} epochs" if state["epochs"] else ""
    facts = {"state": state["state"] + epochs} | origin(directory) | outcome(directory)
    facts["data"] = f"{recipe.dataset}, content hash {recipe.data_hash}"
    facts["recipe"] = ", ".join(f"{name}={value}" for name, value in non_default_fields(recipe).items())
    for use in uses:
        figures = " ".join(use["figures"]) or "no figure"
        line = f"{use['suite']}/{use['experiment']} at scale {use['scale']}: {use['label']}"
        lines = facts.get(f"in {figures}", "").splitlines()
        facts[f"in {figures}"] = "\n".join(dict.fromkeys([*lines, line]))
    facts["commands"] = "\n".join(dict.fromkeys(use["command"] for use in uses)) or "–"
    facts["alone"] = f"python -m bench trial {directory / 'recipe.json'} --directory NEW"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(name, str(text))
    out.print(table)
    for entry in read_results(directory, key).get("measurements", {}).values():
        print_whole(measurement_table(entry["measurement"], entry["rows"]), out)
    if table := best_known_table(read_results(directory, key)):
        print_whole(table, out)


def stored_recipe(directory: Path, uses: list[dict]) -> Recipe:
    """The recipe as results.json or a plan has it, in place of a recipe.json that is gone or damaged."""
    for fields in (read_results(directory, directory.name).get("recipe"), *(use["recipe"] for use in uses)):
        with contextlib.suppress(ValueError):
            recipe = Recipe.model_validate(fields)
            if recipe.key == directory.name:
                return recipe
    raise BadInput(f"{directory / 'recipe.json'}: no recipe can be read, and no plan has it: run its suite again")


def planned_uses(key: str, runs: Path) -> list[dict]:
    """Each panel of each plan that contains the network."""
    return [
        {
            "suite": plan["suite"],
            "scale": plan["scale"],
            "command": plan["command"],
            "experiment": panel["experiment"],
            "figures": panel["figures"],
            "label": trial["label"],
            "measurements": trial["measurements"],
            "recipe": trial["recipe"],
        }
        for plan in read_plans(runs)
        for panel in plan["panels"]
        for trial in panel["trials"]
        if trial["key"] == key
    ]


def origin(directory: Path) -> dict[str, str]:
    """Commit, hardware, versions, and the MLflow run."""
    key, facts = directory.name, {}
    provenance, record = read_results(directory, key).get("provenance"), read_index_record(directory)
    if provenance:
        dirty = " (with uncommitted changes)" if provenance.get("git_dirty") else ""
        commit = provenance.get("git_commit", "unknown")
        facts["measured at"] = f"{commit}{dirty}, {provenance.get('finished', 'at an unknown time')}"
        facts["trained at"] = ", ".join(provenance.get("trained_at", ["not recorded"]))
        device, cpu, threads, engine, torch, python = (provenance.get(name, "unknown") for name in HARDWARE)
        facts["hardware"] = f"{device}; {cpu}; {threads} threads; engine: {engine}"
        facts["versions"] = f"torch {torch}, Python {python}"
        if "plugins" in provenance:
            plugins = provenance["plugins"].items()
            facts["plugins"] = ", ".join(f"{name} (SHA-256 {digest})" for name, digest in plugins)
    if record:
        facts["MLflow"] = f"experiment {record['experiment_id']}, run {record['run_id']}"
    return facts


def outcome(directory: Path) -> dict[str, str]:
    """The failure, the selected epoch, times and cost, as far as the trial has come."""
    key, facts = directory.name, {}
    results, failure, epochs = (read(directory, key) for read in (read_results, read_failure, read_progress))
    if failure:
        facts["failure"] = failure
    heldout = results.get("heldout") or {}
    if "score" in heldout:
        facts["selected"] = f"epoch {heldout['epoch']}, score {heldout['score']:.4f} on held-out training images"
    if epochs:
        training = format_duration(sum(row["seconds"] for row in epochs))
        measuring = format_duration(results.get("seconds", {}).get("measure", 0))
        facts["time"] = f"{training} training, {measuring} measuring"
    macs = results.get("macs")
    if macs:
        facts["cost"] = f"{macs['forward']:,} MACs a forward pass of one image, {macs['training']:.3g} in training"
    return facts


def non_default_fields(recipe: Recipe) -> dict[str, str]:
    """The fields without a default, and those that differ from it, but for the data hash."""
    fields = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"data_hash"})
    protocol_rows = {f"protocol.{name}": value for name, value in fields.pop("protocol", {}).items()}
    return fields | protocol_rows


def measurement_table(measurement: dict, rows: list[dict]) -> Table:
    """The rows of a measurement; lists of numbers are shown by their length."""
    is_accuracy = measurement["probe"] == "accuracy"
    title_fields = measurement.keys() - {"probe"} if is_accuracy else {"lambdas", "width"}
    parameters = ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in measurement.items()
        if name in title_fields and value not in (None, [], False)
    )
    title = f"{measurement['probe']}: {parameters}"
    table = Table(box=None, title=title, title_justify="left", title_style="", header_style="dim")
    if is_accuracy:
        rows = [correct_bits.without(row) | percentages(row) for row in rows]
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(format_value(value) for value in row.values()))
    return table


def best_known_table(results: dict) -> Table | None:
    """The minimum over all attacks, for each number of images that was attacked; None without a second attack."""
    title = "best known RA: the minimum over all attacks, image by image"
    table = Table(box=None, title=title, title_justify="left", title_style="", header_style="dim")
    for name in ("lam", "width", "epsilon", "n", "RA %", "decided by, with the images fooled"):
        table.add_column(name, justify="left" if "decided" in name else "right")
    for (lam, width, epsilon), rows in sorted(attacks_by_point(results).items()):
        several = len({row["attack"] for row in rows}) > 1
        for n in sorted({row["n"] for row in rows}) if several else ():
            best = best_known(rows, n)
            decided = ", ".join(f"{attack} {count}" for attack, count in best.decided_by.items())
            cells = (f"{lam:g}", f"{width:g}", f"{epsilon:.6g}", f"{best.n}", f"{best.ra:.2f}", decided)
            table.add_row(*cells)
    return table if table.row_count else None


def percentages(row: dict) -> dict[str, str]:
    counts = {"SA %": row["clean_correct"], "RA %": row["robust_correct"]}
    return {name: f"{100 * count / row['n']:.2f}" for name, count in counts.items()}


def format_value(value) -> str:
    if isinstance(value, list):
        return f"{len(value)} values"
    return f"{value:.6g}" if isinstance(value, float) else "–" if value is None else str(value)
