"""Load claims.yaml and check it: an error names the file and the line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydantic

from bench.errors import unknown
from bench.spec.strict_yaml import Document, read
from reports.claims import (
    accuracy_predicates,
    adjustment_predicates,
    frontier_predicates,
    probe_predicates,
    tradeoff_predicates,
)
from reports.claims.predicate_arguments import Arguments
from reports.claims.verdict_rule import ClaimCondition
from reports.load import formatting
from reports.load.panels import Panel

Predicate = Callable[[Panel, Any], list[ClaimCondition]]

# Name in claims.yaml → model of its arguments, predicate, and probe whose rows it judges.
PREDICATES: dict[str, tuple[type[Arguments], Predicate, str]] = {
    "values": (accuracy_predicates.Values, accuracy_predicates.values, "accuracy"),
    "within_range": (accuracy_predicates.Range, accuracy_predicates.within_range, "accuracy"),
    "monotone": (accuracy_predicates.Monotone, accuracy_predicates.monotone, "accuracy"),
    "compared": (accuracy_predicates.Difference, accuracy_predicates.compared, "accuracy"),
    "exceeds": (accuracy_predicates.Exceeds, accuracy_predicates.exceeds, "accuracy"),
    "far_below": (accuracy_predicates.FarBelow, accuracy_predicates.far_below, "accuracy"),
    "flat": (accuracy_predicates.Flat, accuracy_predicates.flat, "accuracy"),
    "epsilon": (frontier_predicates.Epsilon, frontier_predicates.epsilon, "accuracy"),
    "above": (frontier_predicates.Above, frontier_predicates.above, "accuracy"),
    "apart": (probe_predicates.Clouds, probe_predicates.apart, "bn_statistics"),
    "alignment_rises": (probe_predicates.Rises, probe_predicates.alignment_rises, "saliency"),
    "alignment_no_worse": (probe_predicates.NoWorse, probe_predicates.alignment_no_worse, "saliency"),
    "larger_hypervolume": (
        tradeoff_predicates.LargerHypervolume,
        tradeoff_predicates.larger_hypervolume,
        "accuracy",
    ),
    "better_score": (tradeoff_predicates.BetterScore, tradeoff_predicates.better_score, "accuracy"),
    "kept": (tradeoff_predicates.Kept, tradeoff_predicates.kept, "accuracy"),
    "training_cost": (adjustment_predicates.TrainingCost, adjustment_predicates.training_cost, "switching"),
    "switching_cost": (adjustment_predicates.SwitchingCost, adjustment_predicates.switching_cost, "switching"),
    "cost": (probe_predicates.ForwardCost, probe_predicates.forward_cost, "cost"),
}


class CheckFields(Arguments):
    name: str = pydantic.Field(min_length=1)
    asks: str = pydantic.Field(min_length=1, description="what is asked and why so, for a reader of the report")
    figure: dict[str, str] = pydantic.Field(min_length=1, description="data set → the figure whose runs are asked")
    scales: Literal["any"] | list[str] = "any"
    decides: bool = pydantic.Field(True, description="false: shown, without a part in the claim's verdict")
    predicate: str
    args: dict[str, Any]


class Claim(Arguments):
    """A claim; `load` replaces the fields of its checks by checks."""

    id: int = pydantic.Field(ge=1)
    claim: str = pydantic.Field(min_length=1)
    paper: str = pydantic.Field(min_length=1)
    source: str = pydantic.Field(min_length=1)
    checks: list[CheckFields] = pydantic.Field(min_length=1)


class File(Arguments):
    claims: list[Claim] = pydantic.Field(min_length=1)


@dataclass(frozen=True)
class Check:
    """One question. figure: data set → figure whose runs are asked. scales: where it can be judged, () for any.

    decides: False for a supplementary question, which has no part in the claim's verdict.
    """

    name: str
    asks: str
    figure: dict[str, str]
    scales: tuple[str, ...]
    predicate: str
    args: Arguments
    decides: bool = True

    def conditions(self, panel: Panel) -> list[ClaimCondition]:
        """Conditions on a panel. Raises MissingNetworks."""
        return PREDICATES[self.predicate][1](panel, self.args)

    @property
    def probe(self) -> str:
        return PREDICATES[self.predicate][2]


def load(path: Path, figures: list[str]) -> list[Claim]:
    """Claims of the file, in order. Raises bench.errors.BadInput, `file:line: what is wrong`."""
    document = read(path)
    fields = document.validate(File)
    claims = []
    for i, claim in enumerate(fields.claims):
        if any(claim.id == earlier.id for earlier in claims):
            document.fail(("claims", i, "id"), f"there are two claims with id {claim.id}")
        checks = tuple(check_of(document, ("claims", i, "checks", j), c, figures) for j, c in enumerate(claim.checks))
        claims.append(claim.model_copy(update={"checks": checks}))
    return claims


def check_of(document: Document, at: tuple, fields: CheckFields, figures: list[str]) -> Check:
    """Check with the arguments of its predicate. at: place in the document. Raises bench.errors.BadInput."""
    for dataset, figure in fields.figure.items():
        if dataset not in formatting.DATASETS:
            document.fail((*at, "figure", dataset), unknown("data set", dataset, formatting.DATASETS))
        if figure not in figures:
            document.fail((*at, "figure", dataset), unknown("figure", figure, figures))
    if fields.predicate not in PREDICATES:
        document.fail((*at, "predicate"), unknown("predicate", fields.predicate, PREDICATES))
    args = document.validate(PREDICATES[fields.predicate][0], (*at, "args"))
    scales = () if fields.scales == "any" else tuple(fields.scales)
    asks = " ".join(fields.asks.split())
    return Check(fields.name, asks, fields.figure, scales, fields.predicate, args, fields.decides)
