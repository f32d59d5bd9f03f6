"""Trial: a recipe and the measurements on its network."""

from pydantic import Field

from bench.spec.content_key import Frozen
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe


class Trial(Frozen):
    """A recipe and the measurements to make on its network. `source`, the location of the data, is part of no key."""

    recipe: Recipe
    measurements: tuple[Measurement, ...]
    source: str = Field(description="a data set's name, or the absolute path of a Parquet or image folder")

    @property
    def key(self) -> str:
        return self.recipe.key
