"""Predicates that compare whole trade-offs: hypervolumes, mean (SA + RA)/2, and what a narrow width keeps."""

import pydantic

from reports.claims.accuracy_predicates import ContrastCondition, measure
from reports.claims.frontier_predicates import Curves, read_pair
from reports.claims.predicate_arguments import Arguments, Lambdas, Metric
from reports.claims.verdict_rule import ClaimCondition
from reports.load.panels import Panel
from reports.statistics.contrasts import add, mean_difference, mean_over_lambdas
from reports.statistics.frontier_distance import trade_off_beyond
from reports.statistics.frontier_estimates import estimate_distance, too_few_images


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


class BetterScore(Arguments):
    label: str
    of: str
    lambdas: Lambdas
    width: float = pydantic.Field(1.0, gt=0, le=1)
    least: float = pydantic.Field(ge=0, description="percentage points of (SA + RA)/2, in the mean over λ")


def better_score(panel: Panel, args: BetterScore) -> list[ClaimCondition]:
    """A method's (SA + RA)/2 is above another's at the same λ, in the mean over λ: the score that selects epochs."""
    metrics = [mean_difference(args.label, args.of, metric, args.lambdas, width=args.width) for metric in ("sa", "ra")]
    contrast = {accuracy: coefficient / 2 for accuracy, coefficient in add(*metrics).items()}
    text = f"{args.label} − {args.of}, mean (SA + RA)/2"
    return measure(panel, [ContrastCondition(text, contrast, low=args.least, leads=True)])


class Kept(Arguments):
    label: str
    metric: Metric
    lambdas: Lambdas
    width: float = pydantic.Field(gt=0, lt=1)
    of_width: float = pydantic.Field(1.0, gt=0, le=1)
    least: float | None = pydantic.Field(None, gt=0, description="part of the larger width's mean, at least")
    most: float | None = pydantic.Field(None, gt=0, description="part of the larger width's mean, at most")

    @pydantic.model_validator(mode="after")
    def _one_side(self):
        if (self.least is None) == (self.most is None):
            raise ValueError("give `least` or `most`, and not both")
        return self


def kept(panel: Panel, args: Kept) -> list[ClaimCondition]:
    """At a smaller width, the mean over λ of SA or RA is at least, or at most, a part of that at a larger width.

    Asked as a difference, small − part · large, which is linear in the accuracies. Both means are shown.
    """
    part = args.most if args.least is None else args.least
    small, large = (
        mean_over_lambdas(args.label, args.metric, args.lambdas, width=w) for w in (args.width, args.of_width)
    )
    difference = add(small, {accuracy: -part * coefficient for accuracy, coefficient in large.items()})
    region = {"high": 0.0} if args.least is None else {"low": 0.0}
    metric = f"mean {args.metric.upper()} over λ"
    shown = [
        ContrastCondition(f"{metric}, width {width:g}", contrast, unit="%", weight=0.0, leads=True)
        for width, contrast in ((args.width, small), (args.of_width, large))
    ]
    text = f"the former − {part:g} of the latter"
    return measure(panel, [*shown, ContrastCondition(text, difference, **region, leads=True)])
