"""Define Trial: a recipe and the measurements that are asked of its network."""

from pydantic import Field

from bench.spec.measurement import Measurement
from bench.spec.recipe import Frozen, Recipe


class Trial(Frozen):
    """A recipe and what is to be measured on it. `source` says where the data lies and is no part of any key."""

    recipe: Recipe
    measurements: tuple[Measurement, ...]
    source: str = Field(description="a data set's name, or the absolute path of a Parquet or image folder")

    @property
    def key(self) -> str:
        return self.recipe.key
