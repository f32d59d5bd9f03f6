"""Predicates on what is not SA and RA: clouds of BN statistics (Fig. 2), saliency (Fig. 10–12), and cost (Sec. 4.3)."""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pydantic

from reports.claims.arguments import Arguments, Lambdas
from reports.claims.decide import Condition
from reports.load.results import Panel
from reports.statistics import cloud_distances, estimates, saliency_alignment
from reports.statistics.contrasts import Absent
from reports.statistics.estimates import CHANNELS, Estimate


def by_network(panel: Panel) -> dict[tuple[str, float], dict[int, dict]]:
    """(label, λ) → seed → measured row, at full width."""
    found: dict[tuple[str, float], dict[int, dict]] = defaultdict(dict)
    for row in panel.probes:
        if row["width"] == 1.0:
            found[row["label"], round(row["lam"], 6)].setdefault(row["seed"], row)
    return found


def require(found: dict, wanted: Iterable[tuple[str, float]]) -> None:
    missing = [f"{label} at λ = {lam:g}" for label, lam in wanted if (label, lam) not in found]
    if missing:
        raise Absent("; ".join(missing))


def shared_seeds(found: dict, wanted: Iterable) -> list[int]:
    return sorted(set.intersection(*(set(found[one]) for one in wanted)))


# ---- Figure 2


class Clouds(Arguments):
    label: str = "PGD-AT"
    lambdas: Lambdas = pydantic.Field(min_length=3)
    apart: float = pydantic.Field(gt=0, description="ratio of an end of clouds in equal steps along a line")
    largest: float = pydantic.Field(gt=0, description="distance between two clouds that still overlap, in their sd")


def apart(panel: Panel, given: Clouds) -> list[Condition]:
    """The first λ's cloud stands apart and the others overlap.

    Energy distances between the clouds of channels (mean, variance), each axis in units of its standard deviation
    within a cloud. Asked: the first cloud's mean distance to the others, over theirs from each other, is larger than at
    the end of a line of equal steps; even its distance to the next λ exceeds the largest between any two others; and
    that largest is small.
    """
    found, lambdas = by_network(panel), sorted(given.lambdas)
    wanted = [(given.label, lam) for lam in lambdas]
    require(found, wanted)
    seeds = shared_seeds(found, wanted)
    if not seeds:
        raise Absent("one seed at every λ")
    every = cloud_distances.standardised(
        [points(found[one][seed]) for seed in seeds for one in wanted]
    )  # all in one unit
    sets = [every[first : first + len(wanted)] for first in range(0, len(every), len(wanted))]
    keys = frozenset(found[one][seed]["key"] for one in wanted for seed in seeds)

    def estimate(name: str) -> Estimate:
        return replace(measured(sets, name), keys=keys)

    first, second = lambdas[:2]
    return [
        Condition(f"distance of λ = {first:g} from the others over theirs from each other",
                  estimate("ratio"), low=given.apart, unit="×", leads=True),
        Condition(f"distance between λ = {first:g} and {second:g} over the largest between two others",
                  estimate("step_ratio"), low=1.0, unit="×", leads=True),
        Condition("largest distance between two others",
                  estimate("largest"), high=given.largest, unit="sd", leads=True),
    ]  # fmt: skip


def points(row: dict) -> np.ndarray:
    """(channels, 2): running mean and variance."""
    return np.stack([row["mean"], row["var"]], axis=1)


def measured(sets: list[list[np.ndarray]], name: str) -> Estimate:
    """A number of clouds.isolation: over seeds by its logarithm, for one seed by the jackknife over channels."""
    if len(sets) > 1:
        numbers = [cloud_distances.isolation(cloud_distances.distances(found))[name] for found in sets]
        return estimates.ratio(estimates.over_seeds(np.log(numbers)))
    bounds = cache(partial(jackknifed, sets[0], name))  # takes a while, and is asked for by everyone who shows it
    return Estimate(cloud_distances.isolation(cloud_distances.distances(sets[0]))[name], bounds, CHANNELS)


def jackknifed(found: list[np.ndarray], name: str, confidence: float) -> tuple[float, float]:
    return cloud_distances.jackknife(found, name, confidence)[1:]


# ---- Figures 10 to 12


class Rises(Arguments):
    label: str
    lambdas: Lambdas = pydantic.Field(min_length=2)
    least: float = pydantic.Field(gt=0, description="of the last over the first")
    slack: float = pydantic.Field(gt=0, le=1, description="of a larger λ over a smaller one, at least")


def alignment_rises(panel: Panel, given: Rises) -> list[Condition]:
    """Gradients align better with the image as λ grows: more at the last λ than at the first, and at no λ much less
    than at a smaller one. Ratios, because the alignment's unit is the image's."""
    lambdas = sorted(given.lambdas)
    pairs = list(itertools.combinations(lambdas, 2))
    asked = [(lambdas[0], lambdas[-1], given.least, 1.0)] + [(*pair, given.slack, 1 / len(pairs)) for pair in pairs]
    return [
        Condition(f"{given.label}, alignment(λ={upper:g}) over alignment(λ={lower:g})",
                  alignment_ratio(panel, (given.label, upper), (given.label, lower)),
                  low=least, unit="×", weight=weight, leads=i == 0)
        for i, (lower, upper, least, weight) in enumerate(asked)
    ]  # fmt: skip


class NoWorse(Arguments):
    label: str
    of: str
    lambdas: Lambdas
    least: float = pydantic.Field(gt=0, description="of one over the other")


def alignment_no_worse(panel: Panel, given: NoWorse) -> list[Condition]:
    """At every λ one method aligns at least nearly as well as another."""
    return [
        Condition(f"{given.label} over {given.of}, alignment(λ={lam:g})",
                  alignment_ratio(panel, (given.label, lam), (given.of, lam)), low=given.least, unit="×", leads=True)
        for lam in given.lambdas
    ]  # fmt: skip


def alignment_ratio(panel: Panel, one: tuple[str, float], other: tuple[str, float]) -> Estimate:
    """Mean alignment of one (label, λ) over another's. One seed: paired over the test images, by linearisation."""
    found = by_network(panel)
    require(found, [one, other])
    seeds = shared_seeds(found, [one, other])
    pairs = [tuple(found[which][seed] for which in (one, other)) for seed in seeds]
    if len(pairs) > 1:
        logarithm = estimates.over_seeds([np.log(own["alignment"] / base["alignment"]) for own, base in pairs])
    else:
        pairs = pairs or [tuple(next(iter(found[which].values())) for which in (one, other))]
        own, base = (per_image(row) for row in pairs[0])
        if len(own) != len(base):
            raise Absent(f"the same test images for {one[0]} and {other[0]}")
        logarithm = estimates.over_images(np.log(own.mean() / base.mean()) + own / own.mean() - base / base.mean())
    return replace(estimates.ratio(logarithm), keys=frozenset(row["key"] for pair in pairs for row in pair))


def per_image(row: dict) -> np.ndarray:
    """(n,) alignment of each test image, from the file beside results.json."""
    found = saliency_alignment.per_image(SimpleNamespace(**row))
    if found is None:
        raise Absent(f"{row['file']} of {row['label']}, {row['key']}, which is missing or damaged")
    return found


# ---- Section 4.3


class Cost(Arguments):
    label: str
    of: str
    macs: float = pydantic.Field(gt=0, description="of the label, in units of 10⁹")
    of_macs: float = pydantic.Field(gt=0)
    within: float = pydantic.Field(gt=0, description="of either, in units of 10⁹")
    overhead: float = pydantic.Field(gt=0, description="of the one over the other, percent, at most")


def cost(panel: Panel, given: Cost) -> list[Condition]:
    """Multiply–accumulates of a forward pass of one image, counted, at full width; parameters are shown beside them."""
    found: dict[str, list[dict]] = defaultdict(list)
    for row in panel.probes:
        if row["width"] == 1.0:
            found[row["label"]].append(row)
    missing = [label for label in (given.label, given.of) if not found[label]]
    if missing:
        raise Absent("; ".join(missing))

    def count(label: str, name: str, unit: float) -> Estimate:
        rows = found[label]
        return replace(estimates.exact([row[name] / unit for row in rows]), keys=frozenset(row["key"] for row in rows))

    def more(name: str) -> Estimate:
        one, other = (count(label, name, 1.0) for label in (given.label, given.of))
        return replace(estimates.exact([100 * (one.value / other.value - 1)]), keys=one.keys | other.keys)

    rows = [
        Condition(f"{label}, 10⁹ multiply–accumulates", count(label, "macs", 1e9), macs - given.within,
                  macs + given.within, unit="", leads=True)
        for label, macs in ((given.of, given.of_macs), (given.label, given.macs))
    ]  # fmt: skip
    what = f"{given.label} over {given.of}, multiply–accumulates more"
    rows.append(Condition(what, more("macs"), high=given.overhead, unit="%", leads=True))
    return [*rows, Condition("parameters more, not in the paper", more("parameters"), unit="%", leads=True)]
