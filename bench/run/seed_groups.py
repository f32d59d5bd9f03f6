"""Networks that differ in nothing but their seed are one line of a list."""

import json
from collections.abc import Iterable

KEY_DIGITS = 8  # of a key in a list


def by_seed(networks: Iterable[dict]) -> list[list[dict]]:
    """Group networks ({"key", "name", "seed", "recipe", …}) that differ in their seed alone; seeds ascend."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for network in networks:
        fields = {name: value for name, value in network["recipe"].items() if name != "seed"}
        groups.setdefault((name_of([network]), json.dumps(fields, sort_keys=True)), []).append(network)
    return [sorted(group, key=lambda network: network["seed"]) for group in groups.values()]


def name_of(group: list[dict]) -> str:
    """The name of the group's networks without their seed."""
    network = group[0]
    return network["name"].removesuffix(f" · seed {network['seed']}")


def seeds_of(group: list[dict]) -> str:
    """ "0–2" of three seeds from 0 on, "1, 4" of two others."""
    seeds = [network["seed"] for network in group]
    consecutive = len(seeds) > 1 and seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]}–{seeds[-1]}" if consecutive else ", ".join(map(str, seeds))


def keys_of(group: list[dict]) -> str:
    return " ".join(network["key"][:KEY_DIGITS] for network in group)
