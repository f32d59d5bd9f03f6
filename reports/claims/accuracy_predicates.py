"""Predicates on SA and RA that are linear in them: values, ranges, monotone curves, one method against another.

Each is a function (panel, arguments) → conditions that raises MissingNetworks. claims.yaml is checked against the model
of its arguments.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import pydantic

from reports.claims.predicate_arguments import Arguments, Lambda, Lambdas, Metric, PerMetric
from reports.claims.verdict_rule import ClaimCondition
from reports.load.panels import Panel
from reports.statistics.contrasts import (
    Accuracy,
    Contrast,
    add,
    counts_of,
    estimate_contrast,
    mean_difference,
    require,
)
from reports.statistics.estimates import clipped
from reports.statistics.variance_pool import pool_of_points

NO_LIMIT = float("inf")


@dataclass(frozen=True)
class ContrastCondition:
    """A condition on a contrast; fields as of verdict_rule.ClaimCondition."""

    text: str
    contrast: Contrast
    low: float = -NO_LIMIT
    high: float = NO_LIMIT
    unit: str = "pp"
    weight: float = 1.0
    leads: bool = False
    decides: bool = True


def measure(panel: Panel, asked: Iterable[ContrastCondition]) -> list[ClaimCondition]:
    """Estimate the contrasts on a panel. Raises MissingNetworks with everything that any of them lacks."""
    asked, counts = list(asked), counts_of(panel.points)
    require(counts, (accuracy for condition in asked for accuracy in condition.contrast))
    pool = pool_of_points(panel.points, panel.relatives)
    return [
        ClaimCondition(
            c.text,
            estimate_contrast(counts, c.contrast, pool),
            c.low,
            c.high,
            c.unit,
            c.weight,
            c.leads,
            decides=c.decides,
        )
        for c in asked
    ]


def accuracy_text(metric: str, lam: float) -> str:
    return f"{metric.upper()}(λ={lam:g})"


class Point(PerMetric):
    label: str
    lam: Lambda


class Values(Arguments):
    points: list[Point] = pydantic.Field(min_length=1)
    within: PerMetric


def values(panel: Panel, args: Values) -> list[ClaimCondition]:
    """SA and RA at single λ equal the stated values, within a tolerance."""
    tolerance = dict(args.within.items())
    asked = [
        ContrastCondition(
            f"{accuracy_text(metric, point.lam)} of {point.label}",
            {Accuracy(point.label, metric, point.lam): 1.0},
            value - tolerance[metric],
            value + tolerance[metric],
            unit="%",
            leads=True,
        )
        for point in args.points
        for metric, value in point.items()
    ]
    return within_percent(measure(panel, asked))


class Range(Arguments):
    label: str
    metric: Metric
    lambdas: Lambdas
    low: float = 0.0
    high: float = 100.0


def within_range(panel: Panel, args: Range) -> list[ClaimCondition]:
    """SA or RA stays between two numbers at every λ."""
    asked = [
        ContrastCondition(
            f"{accuracy_text(args.metric, lam)} of {args.label}",
            {Accuracy(args.label, args.metric, lam): 1.0},
            args.low,
            args.high,
            unit="%",
            leads=lam in (min(args.lambdas), max(args.lambdas)),
        )
        for lam in args.lambdas
    ]
    return within_percent(measure(panel, asked))


def within_percent(conditions: list[ClaimCondition]) -> list[ClaimCondition]:
    return [replace(condition, estimate=clipped(condition.estimate, 0.0, 100.0)) for condition in conditions]


class Monotone(Arguments):
    label: str
    metric: Metric
    direction: Literal["rises", "falls"]
    lambdas: Lambdas = pydantic.Field(min_length=2)
    least: float = pydantic.Field(ge=0, description="of the whole change, percentage points")
    slack: float = pydantic.Field(ge=0, lt=1, description="the largest reversal, as a part of the whole change")


def monotone(panel: Panel, args: Monotone) -> list[ClaimCondition]:
    """SA or RA rises (falls) with λ by at least `least`, with reversals of at most a part of the whole change.

    All pairs of λ are asked, not only neighbours, so that a slow reversal over several λ counts. Half of the error goes
    to the whole change, half to the pairs together. A curve whose reversals are not significant, but could be that
    large, is inconclusive.
    """
    lambdas, metric = sorted(args.lambdas), args.metric
    sign = 1.0 if args.direction == "rises" else -1.0

    def change(lower: float, upper: float, factor: float = 1.0) -> Contrast:
        ends = ((upper, sign), (lower, -sign))
        return {Accuracy(args.label, metric, lam): factor * coefficient for lam, coefficient in ends}

    def text(lower: float, upper: float) -> str:
        first, last = (upper, lower) if sign > 0 else (lower, upper)
        return f"{accuracy_text(metric, first)} − {accuracy_text(metric, last)}"

    whole = (lambdas[0], lambdas[-1])
    asked = [ContrastCondition(text(*whole), change(*whole), low=args.least, leads=True)]
    pairs = [pair for pair in itertools.combinations(lambdas, 2) if pair != whole]
    for pair in pairs:
        contrast = add(change(*pair), change(*whole, args.slack))
        allowed = f"{text(*pair)} + {fraction_text(args.slack)} of that"
        asked.append(ContrastCondition(allowed, contrast, low=0.0, weight=1 / len(pairs)))
    return measure(panel, asked)


def fraction_text(number: float) -> str:
    return str(Fraction(number).limit_denominator(20))


class Difference(Arguments):
    label: str | list[str]
    of: str
    lambdas: Lambdas
    width: float = pydantic.Field(1.0, gt=0, le=1)
    equals: PerMetric | None = None
    within: PerMetric | None = None
    least: PerMetric | None = None
    each: bool = pydantic.Field(False, description="also shown at every λ; the mean over λ decides")
    together: bool = pydantic.Field(False, description="the mean over the labels decides; each label is shown")

    @pydantic.model_validator(mode="after")
    def _consistent(self):
        if (self.within is None) == (self.least is None):
            raise ValueError("give `within` (a tolerance on both sides) or `least`, and not both")
        if self.equals is not None and self.within is None:
            raise ValueError("`equals` needs `within`")
        return self


def compared(panel: Panel, args: Difference) -> list[ClaimCondition]:
    """A method's SA or RA minus another's at the same λ lies within a tolerance of a number, or is at least a number.

    The mean over λ decides. Supplementary: every single λ with `each`, every single label with `together`.
    """
    labels = [args.label] if isinstance(args.label, str) else args.label
    asked = []
    for metric, bound in (args.within or args.least).items():
        centre = (getattr(args.equals, metric) if args.equals else 0.0) or 0.0
        region = (centre - bound, centre + bound) if args.within else (bound, NO_LIMIT)
        single_lambdas = [[lam] for lam in args.lambdas] if args.each and len(args.lambdas) > 1 else []
        if args.together:
            contrast = difference_of_labels(labels, args, metric, args.lambdas)
            text = difference_text(f"mean of {len(labels)} methods", args, metric, args.lambdas)
            asked.append(ContrastCondition(text, contrast, *region, leads=True))
        for label, lambdas in itertools.product(labels, [args.lambdas, *single_lambdas]):
            contrast = difference_of_labels([label], args, metric, lambdas)
            is_mean = lambdas is args.lambdas and not args.together
            text = difference_text(label, args, metric, lambdas)
            asked.append(ContrastCondition(text, contrast, *region, leads=is_mean, decides=is_mean))
    return measure(panel, asked)


def difference_of_labels(labels: list[str], args: Difference, metric: str, lambdas: list[float]) -> Contrast:
    differences = [mean_difference(label, args.of, metric, lambdas, width=args.width) for label in labels]
    return {accuracy: c / len(labels) for accuracy, c in add(*differences).items()}


def difference_text(name: str, args: Difference, metric: str, lambdas: list[float]) -> str:
    quantity = accuracy_text(metric, lambdas[0]) if len(lambdas) == 1 else f"mean {metric.upper()} over λ"
    return f"{name} − {args.of}, {quantity}" + (f", width {args.width:g}" if args.width != 1 else "")


class Exceeds(Arguments):
    metric: Metric
    label: str
    lam: Lambda
    of: str
    of_lam: Lambda
    least: float


def exceeds(panel: Panel, args: Exceeds) -> list[ClaimCondition]:
    """One method's SA or RA at its λ exceeds another's at another λ by at least `least`."""
    higher, lower = Accuracy(args.label, args.metric, args.lam), Accuracy(args.of, args.metric, args.of_lam)
    text = " − ".join(f"{accuracy_text(end.metric, end.lam)} of {end.label}" for end in (higher, lower))
    return measure(panel, [ContrastCondition(text, {higher: 1.0, lower: -1.0}, low=args.least, leads=True)])


class FarBelow(Arguments):
    label: str
    others: list[str] = pydantic.Field(min_length=1)
    lambdas: Lambdas
    widths: list[float] = pydantic.Field(min_length=1)
    least: float = pydantic.Field(gt=0, description="percentage points of (SA + RA)/2, in the mean over λ")


def far_below(panel: Panel, args: FarBelow) -> list[ClaimCondition]:
    """At every width, a method lies far below each of the others in (SA + RA)/2, in the mean over λ.

    The suite selects its checkpoints by the same score. Neither metric decides alone, and no SA in common is needed.
    """
    asked = []
    for width, other in itertools.product(args.widths, args.others):
        metrics = [mean_difference(other, args.label, metric, args.lambdas, width=width) for metric in ("sa", "ra")]
        contrast = {accuracy: c / 2 for accuracy, c in add(*metrics).items()}
        text = f"{other} − {args.label}, mean (SA + RA)/2, width {width:g}"
        asked.append(ContrastCondition(text, contrast, low=args.least, leads=True))
    return measure(panel, asked)


class Flat(Arguments):
    label: str
    metric: Metric
    lambdas: Lambdas = pydantic.Field(min_length=2)
    against: str
    part: float = pydantic.Field(gt=0, lt=1, description="of the other method's change over the same λ")


def flat(panel: Panel, args: Flat) -> list[ClaimCondition]:
    """A method's SA or RA hardly moves with λ: between any two λ by at most a part of another method's whole change.

    Half of the error goes to the whole change, half to all pairs and signs together. For each two λ and each sign,
    part · (change of the other) − (difference of this one) ≥ 0: linear in the accuracies, and so without the bias of a
    largest minus a smallest of noisy numbers.
    """
    lambdas = sorted(args.lambdas)
    first, last = lambdas[0], lambdas[-1]

    def step(label: str, lam: float, base: float, factor: float = 1.0) -> Contrast:
        return {Accuracy(label, args.metric, lam): factor, Accuracy(label, args.metric, base): -factor}

    def text(lam: float, base: float) -> str:
        return f"{accuracy_text(args.metric, lam)} − {accuracy_text(args.metric, base)}"

    asked = [  # both whole changes are shown for comparison, without a condition
        ContrastCondition(f"{text(last, first)} of {label}", step(label, last, first), weight=0.0, leads=True)
        for label in (args.against, args.label)
    ]
    pairs = [pair for pair in itertools.permutations(lambdas, 2) if pair != (last, first)]
    for lam, base in [(last, first), *pairs]:
        whole = (lam, base) == (last, first)
        contrast = add(step(args.against, last, first, args.part), step(args.label, lam, base, -1.0))
        change = "the latter" if whole else f"({text(lam, base)} of {args.label})"
        allowed = f"{fraction_text(args.part)} of the former − {change}"
        weight = 1.0 if whole else 1 / len(pairs)
        asked.append(ContrastCondition(allowed, contrast, low=0.0, weight=weight, leads=whole))
    return measure(panel, asked)
