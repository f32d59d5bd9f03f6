"""Predicates on a method's whole SA–RA curve: ε-indicator, points above the frontier, hypervolumes, and what a narrow
width keeps."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import pydantic

from reports.claims.accuracy_predicates import measure
from reports.claims.predicate_arguments import Arguments, Lambdas, Metric
from reports.claims.verdict_rule import ClaimCondition
from reports.load import formatting
from reports.load.panels import Panel
from reports.statistics.contrasts import Accuracy, add, mean_over_lambdas, scaled
from reports.statistics.frontier_distance import additive_epsilon, height_above, hypervolume_beyond, trade_off_beyond
from reports.statistics.frontier_estimates import Pair, estimate_distance, pair_of, too_few_images
from reports.statistics.variance_pool import measured


class Curves(Arguments):
    label: str
    frontier: str = "PGD-AT"
    lambdas: Lambdas = pydantic.Field(min_length=2)
    width: float = pydantic.Field(1.0, gt=0, le=1)
    attack: str = "pgd7"


class Unit(Arguments):
    sa: float = pydantic.Field(gt=0)
    ra: float = pydantic.Field(gt=0)


class Epsilon(Curves):
    scale: Unit = pydantic.Field(description="percentage points of SA and of RA that count as ε = 1")
    tolerance: float = pydantic.Field(ge=0, description="largest ε that still counts as close")


class Above(Curves):
    at: Lambdas = pydantic.Field(description="the λ of the points that are asked")
    least: float = 0.0

    @pydantic.model_validator(mode="after")
    def _measured(self):
        if not set(self.at) <= set(self.lambdas):
            raise ValueError("`at` must be among `lambdas`")
        return self


def read_pair(panel: Panel, args: Curves) -> Pair:
    where = {"width": args.width, "attack": args.attack}
    sides = ([Accuracy(label, "sa", lam, **where) for lam in args.lambdas] for label in (args.label, args.frontier))
    counts, pool = measured(panel)
    return pair_of(counts, *sides, pool)


def epsilon(panel: Panel, args: Epsilon) -> list[ClaimCondition]:
    """A curve is close to or above the frontier: raised by ε, it is as good in SA and RA as each of its networks.

    Each network of the frontier is a condition, because the largest of noisy ε would be biased. The ε-indicator (the
    largest) and the difference in hypervolume are shown.
    """
    pair, scale = read_pair(panel, args), (args.scale.sa, args.scale.ra)
    attack = f" under {formatting.attack(args.attack)}" if args.attack != "pgd7" else ""

    def raised(curve: np.ndarray, frontier: np.ndarray, networks: Sequence[int]) -> float:
        return max(additive_epsilon(curve, frontier[network], scale) for network in networks)

    indicator = estimate_distance(pair, partial(raised, networks=range(len(args.lambdas))))
    volume = estimate_distance(pair, hypervolume_beyond)
    shown = {"unit": "", "leads": True, "decides": False}
    other, units = f"{args.frontier}{attack}", f"in {args.scale.sa:g} pp of SA and {args.scale.ra:g} pp of RA"
    conditions = [
        ClaimCondition(f"ε-indicator of {args.label} and {other}, {units}", indicator, **shown),
        ClaimCondition(f"hypervolume beyond that of {other}, hundredths of the square", volume, **shown),
    ]
    for network, lam in enumerate(args.lambdas):
        text = f"ε of {args.label} to match {args.frontier} λ={lam:g}{attack}"
        estimate = estimate_distance(pair, partial(raised, networks=[network]))
        conditions.append(ClaimCondition(text, estimate, high=args.tolerance, unit=""))
    return conditions


def above(panel: Panel, args: Above) -> list[ClaimCondition]:
    """The curve's points at these λ lie above the frontier: RA minus the frontier's at the same SA.

    The frontier is linear between two of its networks. A point with a higher or lower SA than all of them is not
    judged.
    """
    pair, conditions = read_pair(panel, args), []
    for lam in args.at:
        place = args.lambdas.index(lam)
        estimate = estimate_distance(pair, lambda curve, frontier, place=place: height_above(curve[place], frontier))
        reason = "" if estimate else f"its SA may be beyond what {args.frontier} covers"
        text = f"{args.label} − {args.frontier}, RA(λ={lam:g}) at the same SA"
        conditions.append(ClaimCondition(text, estimate, low=args.least, leads=True, reason=reason))
    return conditions


class LargerHypervolume(Curves):
    least: float = pydantic.Field(0.0, description="% of the box of SA and RA that the two curves span")


def larger_hypervolume(panel: Panel, args: LargerHypervolume) -> list[ClaimCondition]:
    """A method's trade-off dominates a larger area than another's (`frontier`): more pairs (SA, RA) are met by some λ.

    Counted in the box that the two curves span (`trade_off_beyond`), also where they share no SA.
    """
    pair = read_pair(panel, args)
    few = too_few_images(pair)
    estimate = None if few else estimate_distance(pair, trade_off_beyond)
    text = f"{args.label} − {args.frontier}, share of the box that the two span (hypervolume)"
    return [ClaimCondition(text, estimate, low=args.least, leads=True, reason=few)]


class Kept(Arguments):
    label: str
    metric: Metric
    lambdas: Lambdas
    width: float = pydantic.Field(gt=0, lt=1)
    of_width: float = pydantic.Field(1.0, gt=0, le=1)
    keeps: Literal["at least", "at most"]
    part: float = pydantic.Field(gt=0, description="of the larger width's mean")


def kept(panel: Panel, args: Kept) -> list[ClaimCondition]:
    """At a smaller width, the mean over λ of SA or RA is at least, or at most, a part of that at a larger width.

    Asked as a difference, small − part · large, which is linear in the accuracies. Both means are shown.
    """
    widths = (args.width, args.of_width)
    small, large = (mean_over_lambdas(args.label, args.metric, args.lambdas, width=width) for width in widths)
    difference = add(small, scaled(large, -args.part))
    region = {"low": 0.0} if args.keeps == "at least" else {"high": 0.0}
    metric = f"mean {args.metric.upper()} over λ"
    shown = [
        ClaimCondition(f"{metric}, width {width:g}", contrast, unit="%", weight=0.0, leads=True)
        for width, contrast in zip(widths, (small, large), strict=True)
    ]
    text = f"the former − {args.part:g} of the latter"
    return measure(panel, [*shown, ClaimCondition(text, difference, **region, leads=True)])
