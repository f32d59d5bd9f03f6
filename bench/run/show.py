"""The `show` verb: how a point of a figure came to be, read from its trial's directory and the plans."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.errors import BadInput
from bench.measures import correct_bits
from bench.run import saved_plans
from bench.run.progress_display import duration
from bench.run.status import state_of
from bench.spec.recipe import Recipe
from bench.tracking.index_stamp import read_stamp
from bench.trial_dir import read_failure, read_json_object, read_progress, read_results

LEAST = 4  # hexadecimal digits of a key


def show(prefix: str, runs: Path, out: Console) -> None:
    """Raises BadInput when no trial, or more than one, has a key that begins so."""
    directory = find(prefix, runs)
    try:
        recipe = Recipe.model_validate(read_json_object(directory / "recipe.json"))
    except ValueError:
        raise BadInput(f"{directory / 'recipe.json'}: is no recipe: delete the directory and run its suite") from None
    where = used_by(directory.name, runs)
    asked = [key for entry in where for key in entry["measurements"]]
    state, epoch = state_of(directory, asked)
    out.print(f"[bold]{escape(recipe.name)}[/bold]  {recipe.key}")
    facts = {"state": f"{state}, {epoch} epochs" if epoch else state} | origin(directory) | outcome(directory)
    facts["data"] = f"{recipe.dataset}, content hash {recipe.data_hash}"
    facts["recipe"] = ", ".join(f"{name}={value}" for name, value in told(recipe).items())
    for entry in where:
        figures = " ".join(entry["figures"]) or "no figure"
        line = f"{entry['suite']}/{entry['experiment']} at scale {entry['scale']}: {entry['label']}"
        lines = facts.get(f"in {figures}", "").splitlines()
        facts[f"in {figures}"] = "\n".join(dict.fromkeys([*lines, line]))
    facts["commands"] = "\n".join(dict.fromkeys(entry["command"] for entry in where)) or "–"
    facts["alone"] = f"python -m bench trial {directory / 'recipe.json'} --directory NEW"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(name, escape(str(text)))
    out.print(table)
    for measurement in read_results(directory).get("measurements", {}).values():
        out.print(measured(measurement))


def find(prefix: str, runs: Path) -> Path:
    """The directory of the one trial whose key begins with `prefix`."""
    there = sorted(path for path in (runs / "trials").glob("*") if path.is_dir())
    found = [path for path in there if path.name.startswith(prefix)] if len(prefix) >= LEAST else []
    if len(found) == 1:
        return found[0]
    if len(prefix) < LEAST:
        raise BadInput(f"show {prefix}: at least {LEAST} digits of a key are expected; `bench status` lists them")
    if found:
        raise BadInput(f"show {prefix}: {', '.join(path.name for path in found)} begin so: give more digits")
    raise BadInput(f"show {prefix}: none of the {len(there)} trials in {runs} begins so; `bench status` lists them")


def used_by(key: str, runs: Path) -> list[dict]:
    """Where the plans mention the network."""
    return [
        {"suite": plan["suite"], "scale": plan["scale"], "command": plan["command"], "experiment": panel["experiment"]}
        | {"figures": panel["figures"], "label": trial["label"], "measurements": trial["measurements"]}
        for plan in saved_plans.read_all(runs)
        for panel in plan["panels"]
        for trial in panel["trials"]
        if trial["key"] == key
    ]


def origin(directory: Path) -> dict[str, str]:
    """Commit, versions, hardware, and MLflow's run."""
    came = read_results(directory).get("provenance", {})
    stamp, facts = read_stamp(directory), {}
    if came:
        dirty = " (with uncommitted changes)" if came.get("git_dirty") else ""
        facts["measured at"] = f"{came.get('git_commit', 'unknown')}{dirty}, {came.get('finished', '')}"
        facts["trained at"] = ", ".join(came.get("trained_at", ["not recorded"]))
        engine = f"engine: {came.get('engine')}"
        facts["hardware"] = f"{came.get('device')}; {came.get('host_cpu')}; {came.get('threads')} threads; {engine}"
        facts["versions"] = f"torch {came.get('torch')}, Python {came.get('python')}"
    if stamp:
        facts["MLflow"] = f"experiment {stamp.get('experiment_id')}, run {stamp.get('run_id')}"
    return facts


def outcome(directory: Path) -> dict[str, str]:
    """Which epoch was selected and what it cost; or why there is none."""
    results, facts = read_results(directory), {}
    if read_failure(directory):
        facts["failure"] = read_failure(directory)
    heldout = results.get("heldout") or {}
    if "score" in heldout:
        facts["selected"] = f"epoch {heldout['epoch']}, score {heldout['score']:.4f} on held-out training images"
    rows = read_progress(directory)
    if rows:
        seconds = results.get("seconds", {})
        trained = sum(row.get("seconds", 0) for row in rows)
        facts["time"] = f"{duration(trained)} training, {duration(seconds.get('measure', 0))} measuring"
    macs = results.get("macs", {})
    if macs:
        facts["cost"] = f"{macs['forward']:,} MACs a forward pass of one image, {macs['training']:.3g} in training"
    return facts


def told(recipe: Recipe) -> dict[str, str]:
    """The fields that stand away from their default, and those that have none."""
    fields = recipe.model_dump(mode="json", exclude_defaults=True)
    rows = {f"protocol.{name}": value for name, value in fields.pop("protocol", {}).items()}
    fields.pop("data_hash")  # has a line of its own
    return fields | rows


def measured(measurement: dict) -> Table:
    """A measurement as a table; lists of numbers only as their length."""
    what, rows = measurement["measurement"], measurement["rows"]
    told = {name: value for name, value in what.items() if value not in (None, [], False) and name != "probe"}
    accuracy = what.get("probe", "accuracy") == "accuracy"
    if not accuracy:
        told = {name: told[name] for name in ("lambdas", "width") if name in told}
    about = ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in told.items()
    )
    title = f"{what.get('probe', 'accuracy')}: {about}"
    table = Table(box=None, title=escape(title), title_justify="left", title_style="", header_style="dim")
    if accuracy:
        shares = {"SA %": "clean_correct", "RA %": "robust_correct"}
        rows = [
            correct_bits.without(row) | {name: percent(row, right) for name, right in shares.items()} for row in rows
        ]
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row.values()))
    return table


def percent(row: dict, right: str) -> str:
    return f"{100 * row[right] / row['n']:.2f}"


def cell(value) -> str:
    if isinstance(value, list):
        return f"{len(value)} values"
    return f"{value:.6g}" if isinstance(value, float) else "–" if value is None else str(value)
