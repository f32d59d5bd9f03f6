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

    @property
    def blends_alone(self) -> bool:
        """Whether SA and RA are measured of blends alone, not of the network itself."""
        accuracies = [measurement for measurement in self.measurements if measurement.probe == "accuracy"]
        return bool(accuracies) and all(measurement.blend for measurement in accuracies)

    @property
    def needs(self) -> set[str]:
        """Keys of the other networks whose weights its training or a measurement of it takes."""
        start = {self.recipe.start.key} if self.recipe.start else set()
        return start | {measurement.surrogate for measurement in self.measurements if measurement.surrogate}
