"""Predicates on what the adjustment of λ costs, in training and at test time ("for free")."""

import pydantic

from reports.claims.predicate_arguments import Arguments, Lambdas
from reports.claims.verdict_rule import ClaimCondition
from reports.load.panels import Panel
from reports.statistics import estimates
from reports.statistics.adjustment_cost import switch_times, training_ratio
from reports.statistics.contrasts import MissingNetworks

QUANTITIES = {"macs": "multiply–accumulates, counted", "seconds": "seconds, measured"}


class TrainingCost(Arguments):
    label: str
    of: str = "PGD-AT"
    lambdas: Lambdas
    at_most: float = pydantic.Field(gt=0, description="of one training over those of all λ together")


def training_cost(panel: Panel, args: TrainingCost) -> list[ClaimCondition]:
    """One training costs at most a part of a training per λ, in counted multiply–accumulates and in measured seconds.

    Neither is about the choice of seeds: the interval spans the seeds' ratios.
    """
    conditions = []
    for quantity, text in QUANTITIES.items():
        estimate = training_ratio(panel, args.label, args.of, args.lambdas, quantity)
        text = f"training of {args.label} over {len(args.lambdas)} of {args.of}, {text}"
        conditions.append(ClaimCondition(text, estimate, high=args.at_most, unit="×", leads=True))
    return conditions


class SwitchingCost(Arguments):
    label: str
    at_most: float = pydantic.Field(gt=0, description="of a switch over the forward pass of a batch")


def switching_cost(panel: Panel, args: SwitchingCost) -> list[ClaimCondition]:
    """Setting another λ takes at most a part of the time that a batch takes. The interval spans the networks."""
    table = switch_times(panel)
    table = table[(table.label == args.label) & table.switch.notna()]
    if not len(table):
        raise MissingNetworks(args.label)
    estimate = estimates.exact(list(table.switch / table.milliseconds), table.key)
    batches = " or ".join(f"{batch:.0f}" for batch in sorted(set(table.batch)))
    text = f"a switch of λ of {args.label} over a batch of {batches} images, measured"
    return [ClaimCondition(text, estimate, high=args.at_most, unit="×", leads=True)]
