"""Curves: the networks of one method that differ in their seed alone or, where each has one fixed λ, also in λ.

A curve is a line of a figure: the λ of one OAT network, or the frontier that joins PGD-AT networks. Networks of another
learning rate are another curve. Imports no MLflow.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from statistics import fmean

from bench.spec.recipe import Recipe
from bench.spec.short_names import SEPARATOR, differing_fields, shared_parts

VARY_WITHIN_A_CURVE = ("seed", "lam")
COLOURS = {"PGD-AT": "#000000", "OAT (normal BN)": "#0072B2", "OAT (dual BN)": "#d55e00"}  # as in the figures
COLOURS |= {"OAT TRADES (dual BN)": "#009e73", "OAT (dual-affine BN)": "#cc79a7"}
COLOURS |= {"PGD-ATS": "#949494", "OATS (normal BN)": "#56b4e9", "OATS (dual BN)": "#e69f00"}  # beside the above here
OTHER_COLOURS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499")
OTHER_COLOURS += ("#8c564b", "#bcbd22", "#17becf", "#9467bd", "#e377c2", "#7f7f7f", "#b8860b", "#2f4f4f", "#708238")


def curve_key(recipe: Recipe) -> str:
    """The key of the recipe's curve: 16 hexadecimal digits, the same for all its networks."""
    fields = recipe.model_dump(mode="json", exclude=set(VARY_WITHIN_A_CURVE), exclude_defaults=True)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def curve_name(name: str, seed: int, lam: float | None) -> str:
    """A network's name without what varies within its curve."""
    name = name.removesuffix(f" · seed {seed}")
    return name if lam is None else name.replace(f" λ={lam:g}", "", 1)


def distinct_names(curves: Mapping[str, tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    """{curve: name}, which begins with what tells curves apart, as MLflow's lists cut long names.

    Parts that all curves share are left out; curves of one name get the fields in which they differ. curves: {curve:
    (name, its fields)}.
    """
    shared, names = shared_parts([name.split(SEPARATOR) for name, _ in curves.values()]), {}
    for curve, (name, fields) in curves.items():
        method, *about = name.split(SEPARATOR)
        kept = [part for part in about if part not in shared]
        others = [other for its_name, other in curves.values() if its_name == name]
        differences = differing_fields(dict(sorted(fields.items())), others, (*VARY_WITHIN_A_CURVE, "data_hash"))
        names[curve] = SEPARATOR.join([method, *differences, *kept])
    return names


def curve_colours(curves: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """{curve: colour}, plain methods first. curves: {curve: (name, label of the figures)}.

    All colours differ while there are enough. A label's goes to its plainest curve, the one with the shortest name.
    """
    colours: dict[str, str] = {}
    for curve, (_, label) in sorted(curves.items(), key=lambda item: (len(item[1][0]), item[1], item[0])):
        wanted = [COLOURS[label]] if label in COLOURS else []
        candidates = [*wanted, *OTHER_COLOURS]
        unused = [colour for colour in candidates if colour not in colours.values()]
        colours[curve] = unused[0] if unused else OTHER_COLOURS[len(colours) % len(OTHER_COLOURS)]
    return colours


def mean_points(networks: Iterable[Mapping[tuple[str, int], float]]) -> dict[tuple[str, int], float]:
    """{(metric, step): mean over the networks that have the point}. networks: such points of each."""
    values: dict[tuple[str, int], list[float]] = {}
    for points in networks:
        for point, value in points.items():
            values.setdefault(point, []).append(value)
    return {point: fmean(values[point]) for point in sorted(values)}


def at_lambda(metric: str, lam: float) -> str:
    """The name of the metric that holds one point of a curve: `SA λ 0.3`. MLflow allows no `=`."""
    return f"{metric} λ {lam:g}"
