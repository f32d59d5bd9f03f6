"""The `status` verb: how far every planned network is, read from the trials' directories."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.errors import BadInput
from bench.run import saved_plans
from bench.trial_dir import read_failure, read_progress, read_results


def show(runs: Path, out: Console) -> None:
    """A row per network of every plan that was run, and a count. Raises BadInput where nothing was planned yet."""
    networks = {
        trial["key"]: (plan, panel, trial)
        for plan in saved_plans.read_all(runs)
        for panel in plan["panels"]
        for trial in panel["trials"]
    }
    if not networks:
        raise BadInput(f"{runs}: nothing was run here yet; begin with: python -m bench run suites/frontiers.yaml")
    table, counts = Table(box=None, header_style="dim", padding=(0, 2, 0, 0)), {}
    for column in ("key", "network", "scale", "state", "epoch"):
        table.add_column(column, no_wrap=column != "network")
    for key, (plan, _, trial) in networks.items():
        state, epoch = state_of(runs / "trials" / key, trial["measurements"])
        counts[state.split(":")[0]] = counts.get(state.split(":")[0], 0) + 1
        table.add_row(key[:8], trial["name"], plan["scale"], state, epoch)
    out.print(table)
    out.print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


def state_of(directory: Path, measurements: list[str]) -> tuple[str, str]:
    """(finished, measuring, begun, waiting, or failed: why; the last finished epoch)."""
    rows, results = read_progress(directory), read_results(directory)
    epoch = f"{rows[-1]['epoch']}/{rows[-1]['epochs']}" if rows else ""
    failure = read_failure(directory)
    if failure:
        return f"failed: {failure}", epoch
    if set(measurements) <= set(results.get("measurements", {})):
        return "finished", epoch
    if (directory / "weights.safetensors").exists():
        return "measuring", epoch
    return ("begun" if rows else "waiting"), epoch
