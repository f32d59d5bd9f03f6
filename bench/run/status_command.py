"""The `status` verb: print the state of every planned network, read from the trials' directories."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.errors import BadInput
from bench.run.damage_lines import print_damages
from bench.run.resume import has_weights
from bench.stored_plans import read_plans
from bench.trial_dir import damaged_files, read_failure, read_progress, read_results


def print_status(runs: Path, out: Console) -> None:
    """Print a row per planned network, and a count per state. Raises BadInput where nothing was planned yet."""
    plans, damages = read_plans(runs)
    networks = {
        trial["key"]: (plan["scale"], trial) for plan in plans for panel in plan["panels"] for trial in panel["trials"]
    }
    if damages and not networks:
        print_damages(damages, out)
    if not networks:
        raise BadInput(f"{runs}: no suite was run here yet; begin with: python -m bench run suites/frontiers.yaml")
    table, counts = Table(box=None, header_style="dim", padding=(0, 2, 0, 0)), Counter()
    for column in ("key", "network", "scale", "state", "epoch"):
        table.add_column(column, no_wrap=column != "network")
    for key, (scale, trial) in networks.items():
        state, epoch = trial_state(runs / "trials" / key, trial["measurements"])
        counts[state.split(":")[0]] += 1
        table.add_row(key[:8], trial["name"], scale, state, epoch)
        damages += damaged_files(runs / "trials" / key, key)
    out.print(table)
    out.print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    print_damages(damages, out)


def trial_state(directory: Path, measurements: list[str]) -> tuple[str, str]:
    """(finished, measuring, training, waiting, or "failed: <reason>"; "<last finished epoch>/<epochs>" or "")."""
    key = directory.name
    rows = read_progress(directory, key)
    epoch = f"{rows[-1]['epoch']}/{rows[-1]['epochs']}" if rows else ""
    failure = read_failure(directory, key)
    if failure:
        return f"failed: {failure}", epoch
    if set(measurements) <= set(read_results(directory, key).get("measurements", {})):
        return "finished", epoch
    if has_weights(directory):
        return "measuring", epoch
    return ("training" if rows else "waiting"), epoch
