"""The `status` verb: print the state of every planned network, read from the trials' directories."""

import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.errors import BadInput
from bench.run.aligned_rows import print_rows
from bench.run.damage_lines import print_damages
from bench.run.missing_work import has_weights
from bench.run.next_command import next_command
from bench.run.seed_groups import KEY_DIGITS, by_seed, keys_of, name_of, seeds_of
from bench.spec.short_names import short_names
from bench.stored_plans import read_plans
from bench.trial_dir import damaged_files, read_failure, read_progress, read_results

JSON_FIELDS = ("key", "name", "scale", "seed", "state", "failure", "epoch", "epochs")


def print_status(runs: Path, out: Console, as_json: bool = False) -> None:
    """Print a row per planned network, its seeds together, and a count per state; or one JSON object.

    Raises BadInput where nothing was planned yet.
    """
    plans, damages = read_plans(runs)
    networks = planned_networks(plans)
    if damages and not networks and not as_json:
        print_damages(damages, out)
    if not networks:
        raise BadInput(f"{runs}: no suite was run here yet; begin with: python -m bench run suites/frontiers.yaml")
    for network in networks:
        network |= state_of(runs / "trials" / network["key"], network["measurements"])
        damages += damaged_files(runs / "trials" / network["key"], network["key"])
    states = Counter(network["state"] for network in networks)
    if as_json:
        trials = [{field: network[field] for field in JSON_FIELDS} for network in networks]
        print(json.dumps({"trials": trials, "states": states, "damaged": list(dict.fromkeys(map(str, damages)))}))
        return
    names, shared = short_names(networks)
    groups = by_seed(network | {"name": names[network["key"]]} for network in networks)
    rows = [(name_of(g), g[0]["scale"], seeds_of(g), states_of(g), keys_of(g)) for g in groups]
    print_rows(("network", "scale", "seeds", "state", "keys"), rows, out, folds=0)
    if shared:
        out.print(f"all networks: {shared}", soft_wrap=True)
    for network in networks:
        if network["failure"]:
            text = f"failed: {network['name']} ({network['key'][:KEY_DIGITS]}): {network['failure']}"
            out.print(Text(text, style="red"), soft_wrap=True)
    out.print(", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    print_damages(damages, out)
    if states["finished"] == len(networks):
        has_report = any(panel["figures"] for plan in plans for panel in plan["panels"])
        out.print(f"next: {next_command('open' if has_report else 'show KEY', runs)}", soft_wrap=True)
    else:
        unfinished = {network["key"] for network in networks if network["state"] != "finished"}
        commands = [plan["command"] for plan in plans if unfinished & keys_of_plan(plan)]
        for command in dict.fromkeys(commands):
            out.print(f"next, unless it is running: {command}", soft_wrap=True)


def planned_networks(plans: list[dict]) -> list[dict]:
    """{"key", "name", "scale", "seed", "recipe", "measurements", …} of each network, with the measurements of all
    panels that it belongs to."""
    networks: dict[str, dict] = {}
    for plan in plans:
        for trial in (trial for panel in plan["panels"] for trial in panel["trials"]):
            earlier = networks.get(trial["key"], {"measurements": []})
            measurements = [*earlier["measurements"], *trial["measurements"]]
            networks[trial["key"]] = trial | {"scale": plan["scale"], "measurements": measurements}
    return list(networks.values())


def keys_of_plan(plan: dict) -> set[str]:
    return {trial["key"] for panel in plan["panels"] for trial in panel["trials"]}


def states_of(group: list[dict]) -> str:
    """ "finished", or "2 finished, 1 training 7/10" of networks in several states."""
    texts = Counter(
        network["state"] if network["state"] != "training" else f"training {network['epoch']}/{network['epochs']}"
        for network in group
    )
    if len(texts) == 1:
        return next(iter(texts))
    return ", ".join(f"{count} {text}" for text, count in sorted(texts.items()))


def state_of(directory: Path, measurements: list[str]) -> dict:
    """{"state": finished, failed, measuring, training or waiting; "failure": reason or None; "epoch": the last finished
    one, 0 before it; "epochs": their number, None before the first}."""
    key = directory.name
    rows, failure = read_progress(directory, key), read_failure(directory, key)
    if failure:
        state = "failed"
    elif set(measurements) <= set(read_results(directory, key).get("measurements", {})):
        state = "finished"
    elif has_weights(directory):
        state = "measuring"
    else:
        state = "training" if rows else "waiting"
    last = rows[-1] if rows else {"epoch": 0, "epochs": None}
    return {"state": state, "failure": failure, "epoch": last["epoch"], "epochs": last["epochs"]}
