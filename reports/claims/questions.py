"""The questions of reports/answers.yaml, which a reader asks of the paper, and the answers that claims give."""

from pathlib import Path

import pydantic

from bench.spec.strict_yaml import Strict, read
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_JUDGED, NOT_REPRODUCED, NOT_RUN, REPRODUCED, all_hold

FILE = Path(__file__).parents[1] / "answers.yaml"
WORDS = {REPRODUCED: "Yes", NOT_REPRODUCED: "No", INCONCLUSIVE: "Undecided"}
WORDS |= {NOT_RUN: "Not run", NOT_JUDGED: "Not asked"}
SENTENCES = {"Yes": "yes", "No": "no", "Undecided": "open"}  # fields of a question


class Question(Strict):
    """`yes`, `no` and `open` say in a reader's words what the verdict means."""

    question: str = pydantic.Field(min_length=1)
    claims: list[int] = pydantic.Field(min_length=1)
    yes: str
    no: str
    open: str


class Questions(Strict):
    questions: list[Question] = pydantic.Field(min_length=1)


def questions() -> list[Question]:
    return read(FILE).validate(Questions).questions


def together(claims: list[dict]) -> str:
    """Verdict of the claims together."""
    return all_hold([claim["verdict"] for claim in claims])


def word_of(verdict: str) -> str:
    return WORDS.get(verdict, WORDS[INCONCLUSIVE])
