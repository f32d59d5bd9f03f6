"""Predicates on a curve in the plane of SA and RA against another: the mean gap, and single points above it.

Neither is linear in the accuracies. Over seeds they are of the mean curves, by the jackknife; for one seed, on other
test images: by secants where it is known which images were right, else by a parametric bootstrap of the counts.
"""

import numpy as np
import pydantic

from reports.claims.arguments import Arguments, Lambdas
from reports.claims.decide import Condition
from reports.load import formatting
from reports.load.results import Panel
from reports.statistics import contrasts, frontier_distance
from reports.statistics.contrasts import Cell
from reports.statistics.frontier_estimates import Pair, judged, pair_of, too_few


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


def read(panel: Panel, given: Curves) -> Pair:
    """Raises Absent where a λ of either has no network."""
    return pair_of(
        contrasts.cells(panel),
        *([Cell(label, "sa", lam, given.width, given.attack) for lam in given.lambdas]
          for label in (given.label, given.frontier)),
    )  # fmt: skip


def gap(panel: Panel, given: Gap) -> list[Condition]:
    """A curve is close to or above the frontier: the mean gap in RA over the SA that both cover is at least −tolerance.

    Where they have little SA in common the frontier is a cliff there and the gap says nothing: it cannot be told.
    """
    pair = read(panel, given)
    under = f" under {formatting.attack(given.attack)}" if given.attack != "pgd7" else ""
    what = f"{given.label} − {given.frontier}, mean RA at the same SA{under}"
    asked = {"low": -given.tolerance, "leads": True}
    curves = pair.seeds or [map(frontier_distance.percent, pair.counts)]
    shared = [frontier_distance.common_range(*both) or (0.0, 0.0) for both in curves]
    width = min(high - low for low, high in shared)
    if width < given.least_range:
        least = f"of one seed the curves share {width:.2f} pp of SA" if width else "of one seed the curves share no SA"
        return [Condition(what, None, **asked, reason=f"{least}, and {given.least_range:g} pp are needed")]
    few = too_few(pair)
    estimate = None if few else judged(pair, frontier_distance.distance_to_frontier)
    reason = "" if estimate else few or "on other test images the curves may share no SA"
    return [Condition(what, estimate, **asked, reason=reason)]


def above(panel: Panel, given: Above) -> list[Condition]:
    """The curve's points at these λ lie above the frontier: RA minus the frontier's at the same SA, straight between
    two of its networks. Of a point with a higher or lower SA than all of them it cannot be told."""
    pair, found = read(panel, given), []
    for lam in given.at:
        place = given.lambdas.index(lam)
        estimate = judged(pair, lambda curve, frontier, place=place: height(curve[place], frontier))
        reason = "" if estimate else f"its SA may be beyond what {given.frontier} covers"
        what = f"{given.label} − {given.frontier}, RA(λ={lam:g}) at the same SA"
        found.append(Condition(what, estimate, low=given.least, leads=True, reason=reason))
    return found


def height(point: np.ndarray, frontier: np.ndarray) -> float:
    """RA of a point (2,) minus the frontier's (points, 2) at its SA; NaN beyond the frontier's ends."""
    sa, ra = frontier_distance.as_function(frontier)
    return float(point[1] - np.interp(point[0], sa, ra, left=np.nan, right=np.nan))
