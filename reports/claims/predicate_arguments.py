"""Arguments of predicates in claims.yaml: strict models, so that a mistake in the file is an error with its line."""

from collections.abc import Iterator
from typing import Annotated, Literal

import pydantic

from bench.spec.lambda_sets import lambda_set

Metric = Literal["sa", "ra"]
Lambda = Annotated[float, pydantic.Field(ge=0, le=1)]

named_set = pydantic.BeforeValidator(lambda value: list(lambda_set(value)) if isinstance(value, str) else value)
Lambdas = Annotated[list[Lambda], pydantic.Field(min_length=1), named_set]  # or the name of λ sets, `S1` or `S2+S3`

as_list = pydantic.BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
Labels = Annotated[list[str], pydantic.Field(min_length=1), as_list]  # or one label


class Arguments(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PerMetric(Arguments):
    """A number each for SA and RA, percentage points; None for a metric without a condition."""

    sa: float | None = None
    ra: float | None = None

    @pydantic.model_validator(mode="after")
    def _not_empty(self):
        if self.sa is None and self.ra is None:
            raise ValueError("sa, ra, or both are expected")
        return self

    def items(self) -> Iterator[tuple[str, float]]:
        """(metric, number) of the metrics with a condition."""
        return ((name, value) for name, value in (("sa", self.sa), ("ra", self.ra)) if value is not None)
