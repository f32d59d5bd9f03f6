"""Scale files: how large the networks, data and budgets of a suite are."""

from pathlib import Path
from typing import Annotated, Any

import pydantic

from bench import ROOT
from bench.errors import BadInput, unknown
from bench.spec.limits import MANY_SEEDS, MAX_SEEDS, Name, at_most
from bench.spec.recipe_fields import check_fields
from bench.spec.strict_yaml import Document, Strict, read

SCALES = ROOT / "suites" / "scales"


class Scale(Strict):
    """Contents of a scale file. `recipe` and the entries of `datasets` are fields of Recipe; a data set's `source` is
    the data set or path that stands in for it, and its `pool` belongs to this source: --dataset replaces both."""

    scale: Name
    about: str
    seeds: Annotated[int, at_most(MAX_SEEDS, MANY_SEEDS)] = pydantic.Field(1, ge=1)
    lr: list[float] = pydantic.Field(min_length=1)
    train_images: int | None = pydantic.Field(None, ge=1)
    test_images: int | None = pydantic.Field(None, ge=1)
    few_images: int | None = pydantic.Field(None, ge=1)  # test images of a measurement with `few_images: true`
    few_lambdas: list[Annotated[float, pydantic.Field(ge=0, le=1)]] = []  # its λ; all if empty
    masking_images: int = pydantic.Field(100, ge=1, le=256)  # for the signs of masked gradients; at most one batch
    recipe: dict[str, Any] = {}
    datasets: dict[Name, dict[str, Any]]


def scale_path(name: str) -> Path:
    """The file of a scale, given by its name in suites/scales or as a path that ends in .yaml. Raises BadInput."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    if name not in scale_names():
        raise BadInput(f"--scale: {unknown('scale', name, scale_names())}")
    return SCALES / f"{name}.yaml"


def scale_names() -> list[str]:
    """The names of the scales in suites/scales."""
    return sorted(path.stem for path in SCALES.glob("*.yaml"))


def read_scale(name: str) -> tuple[Scale, Document]:
    """Read a scale and check the names of its fields. Raises BadInput."""
    document = read(scale_path(name))
    scale = document.validate(Scale)
    check_fields(scale.recipe, document, ("recipe",))
    for dataset, fields in scale.datasets.items():
        check_fields(fields, document, ("datasets", dataset), extra={"source"})
    return scale, document
