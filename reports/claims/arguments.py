"""What predicates are told in claims.yaml: strict models, so that a slip in the file is an error with its line."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pydantic

from bench.errors import unknown
from reports.load.trained_lambdas import SETS

Metric = Literal["sa", "ra"]
Lambda = Annotated[float, pydantic.Field(ge=0, le=1)]


def lambda_list(value: Any) -> Any:
    """`S1`, or `S2+S3` for a union, as the list that it stands for."""
    if not isinstance(value, str):
        return value
    for name in value.split("+"):
        if name not in SETS:
            raise ValueError(unknown("λ set", name, SETS))
    return sorted({lam for name in value.split("+") for lam in SETS[name]})


Lambdas = Annotated[list[Lambda], pydantic.Field(min_length=1), pydantic.BeforeValidator(lambda_list)]


class Arguments(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PerMetric(Arguments):
    """A number each for SA and RA, percentage points; one that is absent is not asked."""

    sa: float | None = None
    ra: float | None = None

    @pydantic.model_validator(mode="after")
    def _some(self):
        if self.sa is None and self.ra is None:
            raise ValueError("sa, ra, or both are expected")
        return self

    def items(self) -> Iterator[tuple[str, float]]:
        return ((name, value) for name, value in (("sa", self.sa), ("ra", self.ra)) if value is not None)
