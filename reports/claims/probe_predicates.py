"""Predicates on other quantities than SA and RA: clouds of BN statistics, saliency, and cost."""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pydantic

from reports.claims.predicate_arguments import Arguments, Lambdas
from reports.claims.verdict_rule import ClaimCondition
from reports.load.panels import Panel
from reports.statistics import cloud_distances, estimates, saliency_alignment, training_variance
from reports.statistics.contrasts import MissingNetworks, common_seeds
from reports.statistics.estimates import Estimate
from reports.statistics.training_variance import Prior

Network = tuple[str, float]  # label, λ


def full_width_rows(panel: Panel) -> dict[Network, dict[int, dict]]:
    """(label, λ) → seed → measured row, at full width."""
    rows: dict[Network, dict[int, dict]] = defaultdict(dict)
    for row in panel.probes:
        if row["width"] == 1.0:
            rows[row["label"], round(row["lam"], 6)].setdefault(row["seed"], row)
    return rows


def require(rows: dict, networks: Iterable[Network]) -> None:
    """Raise MissingNetworks with all networks that were not measured."""
    missing = [f"{label} at λ = {lam:g}" for label, lam in networks if (label, lam) not in rows]
    if missing:
        raise MissingNetworks("; ".join(missing))


# ---- Figure 2


class Clouds(Arguments):
    label: str = "PGD-AT"
    lambdas: Lambdas = pydantic.Field(min_length=3)
    apart: float = pydantic.Field(gt=0, description="ratio of an end of clouds in equal steps along a line")
    largest: float = pydantic.Field(gt=0, description="distance between two clouds that still overlap, in their sd")


def apart(panel: Panel, args: Clouds) -> list[ClaimCondition]:
    """The first λ's cloud stands apart and the others overlap.

    Energy distances between the clouds of channels (mean, variance), each axis in units of its standard deviation
    within a cloud. Asked: the ratio of the first cloud's mean distance to the others over their mean distance is larger
    than at the end of a line of equal steps; its distance to the next λ exceeds the largest between any two others; and
    that largest is small.
    """
    rows, lambdas = full_width_rows(panel), sorted(args.lambdas)
    networks = [(args.label, lam) for lam in lambdas]
    require(rows, networks)
    seeds = common_seeds(rows, networks)
    if not seeds:
        raise MissingNetworks("one seed at every λ")
    points = [[np.stack([rows[n][seed]["mean"], rows[n][seed]["var"]], axis=1) for n in networks] for seed in seeds]
    by_seed = cloud_distances.standardised(points)  # all on one scale
    keys = frozenset(rows[network][seed]["key"] for network in networks for seed in seeds)

    def estimate(name: str) -> Estimate:
        return replace(cloud_distances.estimate_isolation(by_seed, name), keys=keys)

    first, second = lambdas[:2]
    return [
        ClaimCondition(f"distance of λ = {first:g} from the others over theirs from each other",
                  estimate("ratio"), low=args.apart, unit="×", leads=True),
        ClaimCondition(f"distance between λ = {first:g} and {second:g} over the largest between two others",
                  estimate("step_ratio"), low=1.0, unit="×", leads=True),
        ClaimCondition("largest distance between two others",
                  estimate("largest"), high=args.largest, unit="sd", leads=True),
    ]  # fmt: skip


# ---- Figures 10 to 12


class Rises(Arguments):
    label: str
    lambdas: Lambdas = pydantic.Field(min_length=2)
    least: float = pydantic.Field(gt=0, description="of the last over the first")
    slack: float = pydantic.Field(gt=0, le=1, description="of a larger λ over a smaller one, at least")


def alignment_rises(panel: Panel, args: Rises) -> list[ClaimCondition]:
    """Gradients align better with the image as λ grows: at the last λ than at the first, and at no λ much less than at
    a smaller one. Asked of ratios, because alignment has the unit of the image."""
    lambdas = sorted(args.lambdas)
    pairs = list(itertools.combinations(lambdas, 2))
    asked = [(lambdas[0], lambdas[-1], args.least, 1.0)] + [(*pair, args.slack, 1 / len(pairs)) for pair in pairs]
    return [
        ClaimCondition(f"{args.label}, alignment(λ={upper:g}) over alignment(λ={lower:g})",
                  alignment_contrast(panel, {(args.label, upper): 1.0, (args.label, lower): -1.0}),
                  low=least, unit="×", weight=weight, leads=i == 0)
        for i, (lower, upper, least, weight) in enumerate(asked)
    ]  # fmt: skip


class NoWorse(Arguments):
    label: str
    of: str
    lambdas: Lambdas
    least: float = pydantic.Field(gt=0, description="of one over the other")


def alignment_no_worse(panel: Panel, args: NoWorse) -> list[ClaimCondition]:
    """One method aligns at least nearly as well as another, in the geometric mean over λ; every λ is supplementary."""
    conditions = []
    for lambdas in [args.lambdas, *([lam] for lam in args.lambdas)]:
        is_mean, share = lambdas is args.lambdas, 1 / len(lambdas)
        contrast = {(args.label, lam): share for lam in lambdas} | {(args.of, lam): -share for lam in lambdas}
        estimate = alignment_contrast(panel, contrast)
        text = f"{args.label} over {args.of}, alignment" + (", mean over λ" if is_mean else f"(λ={lambdas[0]:g})")
        conditions.append(ClaimCondition(text, estimate, low=args.least, unit="×", leads=is_mean, decides=is_mean))
    return conditions


def alignment_contrast(panel: Panel, coefficients: dict[Network, float]) -> Estimate:
    """Π alignment^coefficient. One seed: paired over the test images, linearised. The coefficients add up to 0."""
    rows = full_width_rows(panel)
    require(rows, coefficients)
    seeds = common_seeds(rows, coefficients)
    chosen = [[rows[network][seed] for network in coefficients] for seed in seeds]
    c = np.array(list(coefficients.values()))
    if len(chosen) > 1:
        values = [c @ np.log([row["alignment"] for row in of_seed]) for of_seed in chosen]
        logarithm = estimates.over_seeds(values, prior=alignment_prior(rows, coefficients))
    else:
        chosen = chosen or [[next(iter(rows[network].values())) for network in coefficients]]
        scores = [per_image(row) for row in chosen[0]]
        if len({len(of_network) for of_network in scores}) > 1:
            names = ", ".join(sorted({label for label, _ in coefficients}))
            raise MissingNetworks(f"the same test images for {names}")
        linear = [np.log(of_network.mean()) + of_network / of_network.mean() for of_network in scores]
        logarithm = estimates.over_images(c @ np.array(linear))
    return replace(estimates.ratio(logarithm), keys=frozenset(row["key"] for of_seed in chosen for row in of_seed))


def alignment_prior(rows: dict, coefficients: dict[Network, float]) -> Prior | None:
    """Prior of Σ coefficient · log alignment, from the training variance over all networks of the panel."""
    by_network: dict[tuple, list[Network]] = defaultdict(list)  # a conditional network has several λ
    for network, by_seed in rows.items():
        by_network[network[0], min(by_seed.items())[1]["key"]].append(network)
    values = []
    for networks in by_network.values():
        seeds = common_seeds(rows, networks)
        logs = [[np.log(max(rows[network][seed]["alignment"], 1e-12)) for network in networks] for seed in seeds]
        values.append(np.array(logs).reshape(len(seeds), len(networks)))
    fitted = training_variance.fit(values)
    parts = [[coefficients[n] for n in networks if n in coefficients] for networks in by_network.values()]
    return fitted and fitted.prior([part for part in parts if part])


def per_image(row: dict) -> np.ndarray:
    """Alignment of each test image (n,), from the file beside results.json. Raises MissingNetworks."""
    scores = saliency_alignment.per_image(row)
    if scores is None:
        raise MissingNetworks(f"{row['file']} of {row['label']}, {row['key']}, which is missing or damaged")
    return scores


# ---- Section 4.3


class ForwardCost(Arguments):
    label: str
    of: str
    macs: float = pydantic.Field(gt=0, description="of the label, in units of 10⁹")
    of_macs: float = pydantic.Field(gt=0)
    within: float = pydantic.Field(gt=0, description="of either, in units of 10⁹")
    overhead: float = pydantic.Field(gt=0, description="of the one over the other, percent, at most")


def cost(panel: Panel, args: ForwardCost) -> list[ClaimCondition]:
    """Counted multiply–accumulates of a forward pass of one image at full width; parameters are shown beside them."""
    full_width = [row for row in panel.probes if row["width"] == 1.0]
    by_label = {label: [row for row in full_width if row["label"] == label] for label in (args.of, args.label)}
    if missing := [label for label in (args.label, args.of) if not by_label[label]]:
        raise MissingNetworks("; ".join(missing))

    def count(label: str, name: str, divisor: float = 1.0) -> Estimate:
        rows = by_label[label]
        return estimates.exact([row[name] / divisor for row in rows], [row["key"] for row in rows])

    def overhead(name: str) -> Estimate:
        base, larger = (count(label, name) for label in by_label)
        return estimates.exact([100 * (larger.value / base.value - 1)], larger.keys | base.keys)

    def macs(label: str, papers: float) -> ClaimCondition:
        region = (papers - args.within, papers + args.within)
        text = f"{label}, 10⁹ multiply–accumulates"
        return ClaimCondition(text, count(label, "macs", 1e9), *region, unit="", leads=True)

    text = f"{args.label} over {args.of}, multiply–accumulates more"
    return [
        macs(args.of, args.of_macs),
        macs(args.label, args.macs),
        ClaimCondition(text, overhead("macs"), high=args.overhead, unit="%", leads=True),
        ClaimCondition("parameters more, not in the paper", overhead("parameters"), unit="%", leads=True),
    ]
