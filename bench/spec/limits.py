"""Bounds of what files and options may ask for, each with its reason, and the names that they may give.

A bound is far above any network of the literature. It stops what would take a plan minutes, or a machine its memory.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ValidationInfo, field_validator

MAX_SEEDS = 1_000
MAX_NETWORKS = 5_000  # of a suite: each is a directory, and a row of every list
MANY_SEEDS = "3 show the spread between trainings, 30 measure it"
FEW_WIDTHS = "each is another network to train, with BNs of its own"
FEW_LAMBDAS = "each is measured by itself"
FEW_IMAGES = "each is stored as a map per λ"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NAME_RULE = "1 to 64 letters, digits, `_`, `-` or `.`, the first a letter or digit, since files are named after it"


def check_name(name: str) -> str:
    """The name. Raises ValueError where it is not one that a file can be named after."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:64]!r} is no name: {NAME_RULE}")
    return name


Name = Annotated[str, AfterValidator(check_name)]


def at_most(limit: int, reason: str) -> AfterValidator:
    """Validator of a number, or of how many values a list has."""

    def check(value: Any) -> Any:
        size = len(value) if isinstance(value, list | tuple) else value
        if size > limit:
            excess = f"{size:,} values are" if isinstance(value, list | tuple) else f"{str(value)[:20]} is"
            raise ValueError(f"{excess} more than {limit:,}: {reason}")
        return value

    return AfterValidator(check)


class TrueIsNoNumber(BaseModel):
    """Model that refuses true and false for any field but a boolean: pydantic reads `epochs: true` as 1."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        values = value if isinstance(value, list | tuple) else [value]
        if cls.model_fields[info.field_name].annotation is not bool and any(isinstance(v, bool) for v in values):
            raise ValueError("true and false are no values of this field")
        return value
