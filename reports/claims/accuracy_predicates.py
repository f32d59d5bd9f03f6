"""Predicates on SA and RA that are linear in them: values, ranges, monotone curves, one method against another.

Each is a function (panel, arguments) → conditions that raises MissingNetworks. claims.yaml is checked against the model
of its arguments.
"""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import pydantic

from reports.claims.predicate_arguments import Arguments, Labels, Lambda, Lambdas, Metric, PerMetric
from reports.claims.verdict_rule import ClaimCondition
from reports.load.panels import Panel
from reports.statistics.contrasts import (
    METRICS,
    Accuracy,
    Contrast,
    add,
    estimate_contrast,
    mean_difference,
    require,
    scaled,
)
from reports.statistics.estimates import clipped
from reports.statistics.variance_pool import measured


def measure(panel: Panel, asked: Iterable[ClaimCondition]) -> list[ClaimCondition]:
    """Estimate conditions that have a contrast in place of the estimate. Raises MissingNetworks with all they lack."""
    asked, (counts, pool) = list(asked), measured(panel)
    require(counts, (accuracy for condition in asked for accuracy in condition.estimate))
    return [replace(c, estimate=estimate_contrast(counts, c.estimate, pool)) for c in asked]


def accuracy_text(metric: str, lam: float) -> str:
    return f"{metric.upper()}(λ={lam:g})"


def step(label: str, metric: str, lam: float, base: float, factor: float = 1.0) -> Contrast:
    """factor · (SA or RA at one λ minus that at another)."""
    return {Accuracy(label, metric, lam): factor, Accuracy(label, metric, base): -factor}


def step_text(metric: str, lam: float, base: float) -> str:
    return f"{accuracy_text(metric, lam)} − {accuracy_text(metric, base)}"


def fraction_text(number: float) -> str:
    return str(Fraction(number).limit_denominator(20))


def level(label: str, metric: str, lam: float, low: float, high: float, leads: bool = True) -> ClaimCondition:
    """Condition on SA or RA at one λ, percent."""
    text = f"{accuracy_text(metric, lam)} of {label}"
    return ClaimCondition(text, {Accuracy(label, metric, lam): 1.0}, low, high, unit="%", leads=leads)


def measure_levels(panel: Panel, asked: list[ClaimCondition]) -> list[ClaimCondition]:
    return [replace(level, estimate=clipped(level.estimate, 0.0, 100.0)) for level in measure(panel, asked)]


class Point(PerMetric):
    label: str
    lam: Lambda


class Values(Arguments):
    points: list[Point] = pydantic.Field(min_length=1)
    within: PerMetric


def values(panel: Panel, args: Values) -> list[ClaimCondition]:
    """SA and RA at single λ equal the stated values, within a tolerance."""
    room = dict(args.within.items())
    stated = [(point, metric, value) for point in args.points for metric, value in point.items()]
    asked = [level(p.label, metric, p.lam, value - room[metric], value + room[metric]) for p, metric, value in stated]
    return measure_levels(panel, asked)


class Range(Arguments):
    label: str
    metric: Metric
    lambdas: Lambdas
    low: float = 0.0
    high: float = 100.0


def within_range(panel: Panel, args: Range) -> list[ClaimCondition]:
    """SA or RA stays between two numbers at every λ."""
    label, metric, ends = args.label, args.metric, (min(args.lambdas), max(args.lambdas))
    asked = [level(label, metric, lam, args.low, args.high, leads=lam in ends) for lam in args.lambdas]
    return measure_levels(panel, asked)


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
    lambdas, rises = sorted(args.lambdas), args.direction == "rises"

    def change(lower: float, upper: float, factor: float = 1.0) -> Contrast:
        return step(args.label, args.metric, upper, lower, factor if rises else -factor)

    def text(lower: float, upper: float) -> str:
        return step_text(args.metric, *((upper, lower) if rises else (lower, upper)))

    whole = (lambdas[0], lambdas[-1])
    asked = [ClaimCondition(text(*whole), change(*whole), low=args.least, leads=True)]
    pairs = [pair for pair in itertools.combinations(lambdas, 2) if pair != whole]
    for pair in pairs:
        contrast = add(change(*pair), change(*whole, args.slack))
        allowed = f"{text(*pair)} + {fraction_text(args.slack)} of that"
        asked.append(ClaimCondition(allowed, contrast, low=0.0, weight=1 / len(pairs)))
    return measure(panel, asked)


class Difference(Arguments):
    label: Labels
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
    # rows: (name, labels, λ, whether the row decides)
    single_lambdas = [[lam] for lam in args.lambdas] if args.each and len(args.lambdas) > 1 else []
    together = [(f"mean of {len(args.label)} methods", args.label, args.lambdas, True)] if args.together else []
    alone = [
        (label, [label], lambdas, lambdas is args.lambdas and not args.together)
        for label, lambdas in itertools.product(args.label, [args.lambdas, *single_lambdas])
    ]
    asked = []
    for metric, bound in (args.within or args.least).items():
        centre = (getattr(args.equals, metric) if args.equals else 0.0) or 0.0
        region = {"low": centre - bound, "high": centre + bound} if args.within else {"low": bound}
        for name, labels, lambdas, decides in together + alone:
            differences = [mean_difference(label, args.of, metric, lambdas, width=args.width) for label in labels]
            contrast = scaled(add(*differences), 1 / len(labels))
            quantity = accuracy_text(metric, lambdas[0]) if len(lambdas) == 1 else f"mean {metric.upper()} over λ"
            text = f"{name} − {args.of}, {quantity}" + (f", width {args.width:g}" if args.width != 1 else "")
            asked.append(ClaimCondition(text, contrast, **region, leads=decides, decides=decides))
    return measure(panel, asked)


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
    return measure(panel, [ClaimCondition(text, {higher: 1.0, lower: -1.0}, low=args.least, leads=True)])


class BetterScore(Arguments):
    label: Labels
    of: str
    lambdas: Lambdas
    widths: list[float] = pydantic.Field([1.0], min_length=1)
    least: float = pydantic.Field(ge=0, description="percentage points of (SA + RA)/2, in the mean over λ")


def better_score(panel: Panel, args: BetterScore) -> list[ClaimCondition]:
    """At every width, each method's (SA + RA)/2 is above another's at the same λ, in the mean over λ.

    The suite selects its checkpoints by the same score. Neither metric decides alone, and no SA in common is needed.
    """
    asked = []
    for width, label in itertools.product(args.widths, args.label):
        differences = [mean_difference(label, args.of, metric, args.lambdas, width=width) for metric in METRICS]
        text = f"{label} − {args.of}, mean (SA + RA)/2" + (f", width {width:g}" if args.widths != [1.0] else "")
        asked.append(ClaimCondition(text, scaled(add(*differences), 0.5), low=args.least, leads=True))
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
    lambdas, metric = sorted(args.lambdas), args.metric
    first, last = lambdas[0], lambdas[-1]
    whole = {label: step(label, metric, last, first) for label in (args.against, args.label)}
    asked = [  # both whole changes are shown for comparison, without a condition
        ClaimCondition(f"{step_text(metric, last, first)} of {label}", change, weight=0.0, leads=True)
        for label, change in whole.items()
    ]
    pairs = [pair for pair in itertools.permutations(lambdas, 2) if pair != (last, first)]
    for lam, base in [(last, first), *pairs]:
        is_whole = (lam, base) == (last, first)
        contrast = add(scaled(whole[args.against], args.part), step(args.label, metric, lam, base, -1.0))
        change = "the latter" if is_whole else f"({step_text(metric, lam, base)} of {args.label})"
        allowed = f"{fraction_text(args.part)} of the former − {change}"
        weight = 1.0 if is_whole else 1 / len(pairs)
        asked.append(ClaimCondition(allowed, contrast, low=0.0, weight=weight, leads=is_whole))
    return measure(panel, asked)
