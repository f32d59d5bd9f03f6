"""Predicates on a method's SA–RA curve and the frontier: the mean gap, and single points above the frontier."""

import pydantic

from reports.claims.arguments import Arguments, Lambdas
from reports.claims.decide import Condition
from reports.load import formatting
from reports.load.panels import Panel
from reports.statistics.contrasts import Accuracy, counts_of
from reports.statistics.frontier_distance import common_range, distance_to_frontier, height_above
from reports.statistics.frontier_estimates import Pair, estimate_distance, pair_of, too_few_images


class Curves(Arguments):
    label: str
    frontier: str = "PGD-AT"
    lambdas: Lambdas = pydantic.Field(min_length=2)
    width: float = pydantic.Field(1.0, gt=0, le=1)
    attack: str = "pgd7"


class Gap(Curves):
    tolerance: float = pydantic.Field(ge=0, description="how far below still counts as close, percentage points of RA")
    least_range: float = pydantic.Field(gt=0, description="of SA that both curves must cover, percentage points")


class Above(Curves):
    at: Lambdas = pydantic.Field(description="the λ of the points that are asked")
    least: float = 0.0

    @pydantic.model_validator(mode="after")
    def _measured(self):
        if not set(self.at) <= set(self.lambdas):
            raise ValueError("`at` must be among `lambdas`")
        return self


def read_pair(panel: Panel, args: Curves) -> Pair:
    sides = (
        [Accuracy(label, "sa", lam, args.width, args.attack) for lam in args.lambdas]
        for label in (args.label, args.frontier)
    )
    return pair_of(counts_of(panel.points), *sides)


def gap(panel: Panel, args: Gap) -> list[Condition]:
    """A curve is close to or above the frontier: mean gap in RA over the common SA range of at least −tolerance.

    If the common range is short, the frontier is a cliff there, and the gap is not judged.
    """
    pair = read_pair(panel, args)
    attack = f" under {formatting.attack(args.attack)}" if args.attack != "pgd7" else ""
    text = f"{args.label} − {args.frontier}, mean RA at the same SA{attack}"
    asked = {"low": -args.tolerance, "leads": True}
    shared = [common_range(*curves) or (0.0, 0.0) for curves in pair.curves]
    width = min(high - low for low, high in shared)
    if width < args.least_range:
        least = f"of one seed the curves share {width:.2f} pp of SA" if width else "of one seed the curves share no SA"
        return [Condition(text, None, **asked, reason=f"{least}, and {args.least_range:g} pp are needed")]
    few = too_few_images(pair)
    estimate = None if few else estimate_distance(pair, distance_to_frontier)
    reason = "" if estimate else few or "on other test images the curves may share no SA"
    return [Condition(text, estimate, **asked, reason=reason)]


def above(panel: Panel, args: Above) -> list[Condition]:
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
        conditions.append(Condition(text, estimate, low=args.least, leads=True, reason=reason))
    return conditions
