"""Scale files: how large the networks, data and budgets of a suite are."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bench import ROOT
from bench.errors import BadInput, unknown
from bench.spec.limits import MANY_SEEDS, MAX_SEEDS, Name, at_most
from bench.spec.recipe_fields import check_fields
from bench.spec.strict_yaml import Document, Strict, read

SCALES = ROOT / "suites" / "scales"


class Scale(Strict):
    """Contents of a scale file. `recipe` and the entries of `datasets` are fields of Recipe; a data set's `source` is
    the data set or path that stands in for it, and its `pool` belongs to this source: --dataset replaces both."""

    scale: Name = Field(description="the scale's name, as `--scale` takes it and figures show it")
    about: str = Field(description="one line for `list`")
    seeds: Annotated[int, at_most(MAX_SEEDS, MANY_SEEDS)] = Field(1, ge=1, description="trainings of every network")
    lr: list[float] = Field(min_length=1, description="learning rates; of several the best on held-out images counts")
    train_images: int | None = Field(None, ge=1, description="number of training images; None: all")
    test_images: int | None = Field(None, ge=1, description="number of test images, the first ones; None: all")
    few_images: int | None = Field(
        None, ge=1, description="number of test images of a measurement with `few_images: true`; None: `test_images`"
    )
    few_lambdas: list[Annotated[float, Field(ge=0, le=1)]] = Field(
        [], description="of a λ set by name, these alone where `few_images: true`, and for OAT's masking signs; []: all"
    )
    masking_images: int = Field(
        100, ge=1, le=256, description="number of test images for the signs of masked gradients; at most one batch"
    )
    recipe: dict[str, Any] = Field({}, description="fields of every recipe, which a suite's network may override")
    datasets: dict[Name, dict[str, Any]] = Field(
        description="by name: fields of its recipes, and `source`, the data set or path that stands in for it"
    )


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
