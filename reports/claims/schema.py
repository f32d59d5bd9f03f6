"""Load claims.yaml and check it: an error names the file and the line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_type_hints

import pydantic

from bench.errors import unknown
from bench.spec.strict_yaml import Document, read
from reports.claims import accuracy_predicates, adjustment_predicates, probe_predicates, tradeoff_predicates
from reports.claims.predicate_arguments import Arguments
from reports.claims.verdict_rule import ClaimCondition
from reports.load import formatting
from reports.load.panels import Panel

Predicate = Callable[[Panel, Any], list[ClaimCondition]]

FUNCTIONS = {  # probe whose rows are judged → predicates
    "accuracy": [
        *(accuracy_predicates.values, accuracy_predicates.within_range, accuracy_predicates.monotone),
        *(accuracy_predicates.compared, accuracy_predicates.exceeds, accuracy_predicates.better_score),
        *(accuracy_predicates.flat, tradeoff_predicates.epsilon, tradeoff_predicates.above),
        *(tradeoff_predicates.larger_hypervolume, tradeoff_predicates.kept),
    ],
    "bn_statistics": [probe_predicates.apart],
    "saliency": [probe_predicates.alignment_rises, probe_predicates.alignment_no_worse],
    "switching": [adjustment_predicates.training_cost, adjustment_predicates.switching_cost],
    "cost": [probe_predicates.cost],
}
# Name in claims.yaml, the function's → model of its arguments, predicate, and probe.
PREDICATES: dict[str, tuple[type[Arguments], Predicate, str]] = {
    function.__name__: (get_type_hints(function)["args"], function, probe)
    for probe, functions in FUNCTIONS.items()
    for function in functions
}


class Check(Arguments):
    """One question of the file; `load` reads scales "any" as (), and args as the predicate's model."""

    name: str = pydantic.Field(min_length=1)
    asks: str = pydantic.Field(min_length=1, description="what is asked and why so, for a reader of the report")
    figure: dict[str, str] = pydantic.Field(min_length=1, description="data set → the figure whose runs are asked")
    scales: Literal["any"] | list[str] = "any"
    decides: bool = pydantic.Field(True, description="false: shown, without a part in the claim's verdict")
    predicate: str
    args: Any

    def conditions(self, panel: Panel) -> list[ClaimCondition]:
        """Conditions on a panel. Raises MissingNetworks."""
        return PREDICATES[self.predicate][1](panel, self.args)

    @property
    def probe(self) -> str:
        return PREDICATES[self.predicate][2]


class Claim(Arguments):
    id: int = pydantic.Field(ge=1)
    claim: str = pydantic.Field(min_length=1)
    paper: str = pydantic.Field(min_length=1)
    source: str = pydantic.Field(min_length=1)
    checks: list[Check] = pydantic.Field(min_length=1)


class File(Arguments):
    claims: list[Claim] = pydantic.Field(min_length=1)


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


def check_of(document: Document, at: tuple, fields: Check, figures: list[str]) -> Check:
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
    return fields.model_copy(update={"asks": " ".join(fields.asks.split()), "scales": scales, "args": args})
