"""Predicates on SA and RA that are linear in them: numbers, ranges, monotone curves, one method against another.

Each is a function (panel, arguments) → conditions, raising Absent where networks are missing. claims.yaml is checked
against the model of its arguments.
"""

import itertools
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import pydantic

from reports.claims import conditions
from reports.claims.arguments import Arguments, Lambda, Lambdas, Metric, PerMetric
from reports.claims.conditions import Asked
from reports.claims.decide import Condition
from reports.load.results import Panel
from reports.statistics.contrasts import Cell, difference, plus
from reports.statistics.estimates import clipped

NO_LIMIT = float("inf")


def name(metric: str, label: str, lam: float) -> str:
    return f"{at(metric, lam)} of {label}"


def at(metric: str, lam: float) -> str:
    return f"{metric.upper()}(λ={lam:g})"


class Point(PerMetric):
    label: str
    lam: Lambda


class Values(Arguments):
    points: list[Point] = pydantic.Field(min_length=1)
    within: PerMetric


def values(panel: Panel, given: Values) -> list[Condition]:
    """SA and RA at single λ are the given ones, within a tolerance."""
    tolerance = dict(given.within.items())
    asked = [
        Asked(
            name(metric, point.label, point.lam),
            {Cell(point.label, metric, point.lam): 1.0},
            value - tolerance[metric],
            value + tolerance[metric],
            unit="%",
            leads=True,
        )
        for point in given.points
        for metric, value in point.items()
    ]
    return within_percent(conditions.measured(panel, asked))


class Range(Arguments):
    label: str
    metric: Metric
    lambdas: Lambdas
    low: float = 0.0
    high: float = 100.0


def within_range(panel: Panel, given: Range) -> list[Condition]:
    """SA or RA stays between two numbers at every λ."""
    asked = [
        Asked(name(given.metric, given.label, lam), {Cell(given.label, given.metric, lam): 1.0}, given.low, given.high,
              unit="%", leads=lam in (min(given.lambdas), max(given.lambdas)))
        for lam in given.lambdas
    ]  # fmt: skip
    return within_percent(conditions.measured(panel, asked))


def within_percent(conditions: list[Condition]) -> list[Condition]:
    return [replace(one, estimate=clipped(one.estimate, 0.0, 100.0)) for one in conditions]


class Monotone(Arguments):
    label: str
    metric: Metric
    direction: Literal["rises", "falls"]
    lambdas: Lambdas = pydantic.Field(min_length=2)
    least: float = pydantic.Field(ge=0, description="of the whole change, percentage points")
    slack: float = pydantic.Field(ge=0, lt=1, description="the largest reversal, as a part of the whole change")


def monotone(panel: Panel, given: Monotone) -> list[Condition]:
    """SA or RA rises (falls) with λ: by at least `least` over the whole range, and between no two λ the other way by
    more than a part of that.

    All pairs are asked, not only neighbours, so that a slow reversal over several λ counts. Half of the error goes to
    the whole change, half to the pairs together. A curve whose reversals are not significant, but could be as large as
    that, is inconclusive.
    """
    lambdas, metric = sorted(given.lambdas), given.metric
    sign = 1.0 if given.direction == "rises" else -1.0

    def change(lower: float, upper: float, factor: float = 1.0) -> dict[Cell, float]:
        ends = ((upper, sign), (lower, -sign))
        return {Cell(given.label, metric, lam): factor * coefficient for lam, coefficient in ends}

    def text(lower: float, upper: float) -> str:
        first, last = (upper, lower) if sign > 0 else (lower, upper)
        return f"{at(metric, first)} − {at(metric, last)}"

    whole = (lambdas[0], lambdas[-1])
    asked = [Asked(text(*whole), change(*whole), low=given.least, leads=True)]
    pairs = [pair for pair in itertools.combinations(lambdas, 2) if pair != whole]
    for pair in pairs:
        terms = plus(change(*pair), change(*whole, given.slack))
        asked.append(Asked(f"{text(*pair)} + {part(given.slack)} of that", terms, low=0.0, weight=1 / len(pairs)))
    return conditions.measured(panel, asked)


def part(fraction: float) -> str:
    return str(Fraction(fraction).limit_denominator(20))


class Difference(Arguments):
    label: str | list[str]
    of: str
    lambdas: Lambdas
    width: float = pydantic.Field(1.0, gt=0, le=1)
    equals: PerMetric | None = None
    within: PerMetric | None = None
    least: PerMetric | None = None
    each: bool = pydantic.Field(False, description="at every λ too, and not only in the mean over λ")

    @pydantic.model_validator(mode="after")
    def _fits_together(self):
        if (self.within is None) == (self.least is None):
            raise ValueError("give `within` (a tolerance on both sides) or `least`, and not both")
        if self.equals is not None and self.within is None:
            raise ValueError("`equals` needs `within`")
        return self


def compared(panel: Panel, given: Difference) -> list[Condition]:
    """How far a method's SA or RA (minus another's, at the same λ) is from a number, or that it is at least one.

    In the mean over λ, and with `each` at every λ as well: half of the error goes to the means, half to single λ.
    """
    labels = [given.label] if isinstance(given.label, str) else given.label
    asked = []
    for label, (metric, bound) in itertools.product(labels, list((given.within or given.least).items())):
        centre = (getattr(given.equals, metric) if given.equals else 0.0) or 0.0
        region = (centre - bound, centre + bound) if given.within else (bound, NO_LIMIT)
        groups = [given.lambdas] + ([[lam] for lam in given.lambdas] if given.each and len(given.lambdas) > 1 else [])
        for lambdas in groups:
            lead = lambdas is given.lambdas
            quantity = at(metric, lambdas[0]) if len(lambdas) == 1 else f"mean {metric.upper()} over λ"
            terms = difference(label, given.of, metric, lambdas, width=given.width)
            what = f"{label} − {given.of}, {quantity}" + (f", width {given.width:g}" if given.width != 1 else "")
            asked.append(Asked(what, terms, *region, weight=1.0 if lead else 1 / len(given.lambdas), leads=lead))
    return conditions.measured(panel, asked)


class Exceeds(Arguments):
    metric: Metric
    label: str
    lam: Lambda
    of: str
    of_lam: Lambda
    least: float


def exceeds(panel: Panel, given: Exceeds) -> list[Condition]:
    """One method's SA or RA at its λ is higher by at least `least` than another's at another λ."""
    terms = {Cell(given.label, given.metric, given.lam): 1.0, Cell(given.of, given.metric, given.of_lam): -1.0}
    what = f"{name(given.metric, given.label, given.lam)} − {name(given.metric, given.of, given.of_lam)}"
    return conditions.measured(panel, [Asked(what, terms, low=given.least, leads=True)])


class FarBelow(Arguments):
    label: str
    others: list[str] = pydantic.Field(min_length=1)
    lambdas: Lambdas
    widths: list[float] = pydantic.Field(min_length=1)
    least: float = pydantic.Field(gt=0, description="percentage points of (SA + RA)/2, in the mean over λ")


def far_below(panel: Panel, given: FarBelow) -> list[Condition]:
    """At every width a method lies far below each of the others: (SA + RA)/2, the score by which the suite chooses its
    checkpoints too, in the mean over λ, so that neither metric alone nor a curve without common SA decides."""
    asked = []
    for width, other in itertools.product(given.widths, given.others):
        by_metric = [difference(other, given.label, metric, given.lambdas, width=width) for metric in ("sa", "ra")]
        terms = {cell: c / 2 for cell, c in plus(*by_metric).items()}
        what = f"{other} − {given.label}, mean (SA + RA)/2, width {width:g}"
        asked.append(Asked(what, terms, low=given.least, leads=True))
    return conditions.measured(panel, asked)


class Flat(Arguments):
    label: str
    metric: Metric
    lambdas: Lambdas = pydantic.Field(min_length=2)
    against: str
    part: float = pydantic.Field(gt=0, lt=1, description="of the other method's change over the same λ")


def flat(panel: Panel, given: Flat) -> list[Condition]:
    """A method's SA or RA hardly moves with λ: between any two λ by at most a part of what another one moves from the
    smallest to the largest of them. Half of the error goes to the whole change, half to all pairs and signs together.

    Linear in the accuracies, and so without the bias of a largest minus a smallest of noisy numbers: for each two λ and
    each sign, part · (change of the other) − (difference of this one) ≥ 0.
    """
    lambdas = sorted(given.lambdas)
    first, last = lambdas[0], lambdas[-1]

    def step(label: str, lam: float, base: float, factor: float = 1.0) -> dict[Cell, float]:
        return {Cell(label, given.metric, lam): factor, Cell(label, given.metric, base): -factor}

    ends = f"{at(given.metric, last)} − {at(given.metric, first)}"
    asked = [
        Asked(f"{ends} of {label}", step(label, last, first), weight=0.0, leads=True)
        for label in (given.against, given.label)
    ]  # shown for comparison, nothing is asked of them
    pairs = [pair for pair in itertools.permutations(lambdas, 2) if pair != (last, first)]
    for lam, base in [(last, first), *pairs]:
        whole = (lam, base) == (last, first)
        terms = plus(step(given.against, last, first, given.part), step(given.label, lam, base, -1.0))
        own = "the latter" if whole else f"({at(given.metric, lam)} − {at(given.metric, base)} of {given.label})"
        what = f"{part(given.part)} of the former − {own}"
        asked.append(Asked(what, terms, low=0.0, weight=1.0 if whole else 1 / len(pairs), leads=whole))
    return conditions.measured(panel, asked)
