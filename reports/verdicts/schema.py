"""claims.yaml, checked on load: an error names the file and the line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydantic

from bench.errors import unknown
from bench.spec.strict_yaml import Document, read
from reports import words
from reports.results import Panel
from reports.verdicts import accuracy, frontier, probes
from reports.verdicts.arguments import Arguments
from reports.verdicts.decide import Condition

Predicate = Callable[[Panel, Any], list[Condition]]

# Name in claims.yaml → the model of its arguments, the predicate, and the probe whose rows it judges.
PREDICATES: dict[str, tuple[type[Arguments], Predicate, str]] = {
    "values": (accuracy.Values, accuracy.values, "accuracy"),
    "within_range": (accuracy.Range, accuracy.within_range, "accuracy"),
    "monotone": (accuracy.Monotone, accuracy.monotone, "accuracy"),
    "compared": (accuracy.Difference, accuracy.compared, "accuracy"),
    "exceeds": (accuracy.Exceeds, accuracy.exceeds, "accuracy"),
    "far_below": (accuracy.FarBelow, accuracy.far_below, "accuracy"),
    "flat": (accuracy.Flat, accuracy.flat, "accuracy"),
    "gap": (frontier.Gap, frontier.gap, "accuracy"),
    "above": (frontier.Above, frontier.above, "accuracy"),
    "apart": (probes.Clouds, probes.apart, "bn_statistics"),
    "alignment_rises": (probes.Rises, probes.alignment_rises, "saliency"),
    "alignment_no_worse": (probes.NoWorse, probes.alignment_no_worse, "saliency"),
    "cost": (probes.Cost, probes.cost, "cost"),
}


class CheckFields(Arguments):
    name: str = pydantic.Field(min_length=1)
    asks: str = pydantic.Field(min_length=1, description="what is asked and why so, for a reader of the report")
    figure: dict[str, str] = pydantic.Field(min_length=1, description="data set → the figure whose runs are asked")
    scales: Literal["any"] | list[str] = "any"
    predicate: str
    args: dict[str, Any]


class ClaimFields(Arguments):
    id: int = pydantic.Field(ge=1)
    claim: str = pydantic.Field(min_length=1)
    paper: str = pydantic.Field(min_length=1)
    source: str = pydantic.Field(min_length=1)
    checks: list[CheckFields] = pydantic.Field(min_length=1)


class File(Arguments):
    claims: list[ClaimFields] = pydantic.Field(min_length=1)


@dataclass(frozen=True)
class Check:
    """One question on runs. figure: data set → the figure whose runs are asked. given: the predicate's arguments."""

    name: str
    asks: str
    figure: dict[str, str]
    scales: tuple[str, ...]  # where it can be judged; empty: anywhere
    predicate: str
    given: Arguments

    def conditions(self, panel: Panel) -> list[Condition]:
        """Raises Absent where networks are missing."""
        return PREDICATES[self.predicate][1](panel, self.given)

    @property
    def probe(self) -> str:
        return PREDICATES[self.predicate][2]


@dataclass(frozen=True)
class Claim:
    id: int
    claim: str
    paper: str
    source: str
    checks: tuple[Check, ...]


def load(path: Path, figures: list[str]) -> list[Claim]:
    """Every claim of the file, in its order. Raises bench.errors.BadInput, `file:line: what is wrong`."""
    document = read(path)
    fields = document.validate(File)
    found = []
    for i, one in enumerate(fields.claims):
        if any(one.id == earlier.id for earlier in found):
            document.fail(("claims", i, "id"), f"there are two claims with id {one.id}")
        checks = tuple(check(document, ("claims", i, "checks", j), c, figures) for j, c in enumerate(one.checks))
        found.append(Claim(one.id, one.claim, one.paper, one.source, checks))
    return found


def check(document: Document, at: tuple, fields: CheckFields, figures: list[str]) -> Check:
    for dataset, figure in fields.figure.items():
        if dataset not in words.DATASETS:
            document.fail((*at, "figure", dataset), unknown("data set", dataset, words.DATASETS))
        if figure not in figures:
            document.fail((*at, "figure", dataset), unknown("figure", figure, figures))
    if fields.predicate not in PREDICATES:
        document.fail((*at, "predicate"), unknown("predicate", fields.predicate, PREDICATES))
    given = document.validate(PREDICATES[fields.predicate][0], (*at, "args"))
    scales = () if fields.scales == "any" else tuple(fields.scales)
    return Check(fields.name, " ".join(fields.asks.split()), fields.figure, scales, fields.predicate, given)
