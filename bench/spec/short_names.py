"""Names of networks in one list: what all of them share is said once, and what tells two of one name apart is added."""

from collections.abc import Mapping, Sequence

SEPARATOR = " · "


def short_names(networks: Sequence[dict]) -> tuple[dict[str, str], str]:
    """Shorten the names of networks ({"key", "name", "recipe"}, the name as `Recipe.name` has it).

    Returns the name of each key, and the parts that all names share, "" where there are none: `oat-dual · seed 0` and
    `digits · wrn-10-1 · lr 0.1`. The method and the seed stay. Networks of one name get the fields that differ:
    `oat-dual continuous · epochs 12 · seed 0`.
    """
    parts = {network["key"]: network["name"].split(SEPARATOR) for network in networks}
    shared = shared_parts([names[:-1] for names in parts.values()])
    of_name: dict[tuple, list[dict]] = {}  # recipes of each name, the seed apart
    for network in networks:
        of_name.setdefault(tuple(parts[network["key"]][:-1]), []).append(network["recipe"])
    short = {}
    for network in networks:
        method, *about, seed = parts[network["key"]]
        kept = [part for part in about if part not in shared]
        differences = differing_fields(network["recipe"], of_name[method, *about])
        short[network["key"]] = SEPARATOR.join([method, *kept, *differences, seed])
    return short, SEPARATOR.join(shared)


def shared_parts(names: Sequence[Sequence[str]]) -> list[str]:
    """The parts, but for the first, that all names have; none of a single name. names: split at SEPARATOR."""
    first, *others = names or [[]]
    return [part for part in first[1:] if all(part in other for other in others)] if others else []


def differing_fields(recipe: Mapping, recipes: Sequence[Mapping], apart: Sequence[str] = ("seed",)) -> list[str]:
    """`epochs 12`, `widths 0.25, 1` for each field, those of `apart` left out, that is not the same in all recipes."""
    names = [name for name, value in recipe.items() if any(other.get(name) != value for other in recipes)]
    return [f"{name.replace('_', ' ')} {text_of(recipe[name])}" for name in names if name not in apart]


def text_of(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
