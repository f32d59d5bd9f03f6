"""Suite files: experiments, each with its networks and what is measured on them.

A network entry gives fields of Recipe. A list, or the name of a λ set, for a field that holds one value stands for one
network per value: `{method: pgd_at, lam: S1}` is six networks.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from bench import ROOT
from bench.errors import unknown
from bench.spec.lambda_sets import lambda_set
from bench.spec.limits import FEW_IMAGES, FEW_LAMBDAS, FEW_WIDTHS, Name, at_most
from bench.spec.recipe_fields import check_fields, fraction
from bench.spec.registry import ATTACKS, BLENDS, PROBES
from bench.spec.scale import Scale
from bench.spec.strict_yaml import Document, Strict, read

BLEND = "blend"  # field of a network entry: what is measured is a blend of the network and another (docs/dials.md)
LABEL = "label"  # field of a network entry: the name of its curve, where the method's name is not enough
LONGEST_LABEL = 80  # characters


class Measure(Strict):
    """Measurement of every network of an experiment, at each of its `widths`. Other fields are those of Measurement."""

    probe: str = Field("accuracy", description="accuracy (SA and RA), or another probe")
    attack: str = Field("pgd7", description="an attack; only probes that attack read it")
    lambdas: str | Annotated[list[float], at_most(1_000, FEW_LAMBDAS)] = Field(
        "S1", description="the λ to measure at: the name of a λ set, or a list of values in [0,1]"
    )
    widths: Annotated[list[float], at_most(16, FEW_WIDTHS)] = Field(
        [1.0], min_length=1, description="the width factors to measure at"
    )
    epsilon: float | str | None = Field(None, description="L∞ radius, such as 0.1 or 8/255; None: the recipe's")
    steps: Annotated[int, at_most(100_000, "each is a pass of every image")] | None = Field(
        None, ge=1, description="steps of the attack; None: the attack's own"
    )
    start: Literal["uniform", "image"] | None = Field(
        None, description="at random in the ε-ball, or the image itself; None: the attack's own"
    )
    restarts: Annotated[int, at_most(1_000, "each repeats the attack on every image")] = Field(
        1, ge=1, description="an image counts as robust if it withstands all of them"
    )
    targeted: bool = Field(False, description="towards each wrong class in turn, the likeliest first")
    images: Annotated[list[pydantic.NonNegativeInt], at_most(1_000, FEW_IMAGES)] = Field(
        [], description="indices of the test images whose saliency maps are stored"
    )
    few_images: bool = Field(
        False, description="on the scale's `few_images`: for costly attacks, and attacks that are compared with them"
    )

    @pydantic.field_validator("lambdas")
    @classmethod
    def _grid(cls, value):
        if isinstance(value, str):
            if not lambda_set(value):
                raise ValueError(f"no λ is left of {value}")
        elif not value or any(not 0 <= lam <= 1 for lam in value):
            raise ValueError("the name of a λ set, or a list of values in [0,1]")
        return value


class Experiment(Strict):
    figures: list[Name] = Field(description="the figures that the experiment feeds; [] for none")
    dataset: str = Field(description="a name of the scale's `datasets`")
    about: str = Field("", description="one line for `list`")
    networks: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=1_000,
        description="fields of a recipe, each a value or a list of values, and a `label` for the legend",
    )
    measure: list[Measure] = Field(min_length=1, max_length=50, description="what is measured on every network")


class Suite(Strict):
    suite: Name = Field(description="the suite's name, and that of its plan in `runs/plans`")
    about: str = Field(description="one line for `list`")
    experiments: dict[Name, Experiment] = Field(description="experiments by name, which `--only` selects")


def read_suite(path: Path) -> tuple[Suite, Document]:
    """Read a suite. Raises BadInput."""
    document = read(path)
    return document.validate(Suite), document


def suite_paths() -> list[Path]:
    """The suites of this checkout: the paper's, then those of suites/extra."""
    return [*sorted((ROOT / "suites").glob("*.yaml")), *sorted((ROOT / "suites" / "extra").glob("*.yaml"))]


def experiment_names(path: Path) -> tuple[str, ...]:
    """The names of a suite's experiments. Raises BadInput."""
    return tuple(read_suite(path)[0].experiments)


def check_suite(suite: Suite, document: Document, scale: Scale) -> None:
    """Check the names of data sets, attacks, probes and fields. Raises BadInput at the first that is wrong."""
    for name, experiment in suite.experiments.items():
        at = ("experiments", name)
        if experiment.dataset not in scale.datasets:
            document.fail((*at, "dataset"), unknown("data set", experiment.dataset, scale.datasets))
        for i, measure in enumerate(experiment.measure):
            check_measure(measure, document, (*at, "measure", i))
        for i, network in enumerate(experiment.networks):
            check_fields(network, document, (*at, "networks", i), extra={LABEL, BLEND})
            check_label(network, document, (*at, "networks", i))
            if BLEND in network and str(network[BLEND]) not in BLENDS:
                document.fail((*at, "networks", i, BLEND), unknown("blend", str(network[BLEND]), BLENDS))


def check_label(network: dict, document: Document, at: tuple) -> None:
    """Raise BadInput where the label of a network entry cannot stand in a legend."""
    label = network.get(LABEL, "")
    if isinstance(label, list | dict) or not str(label).isprintable() or len(str(label)) > LONGEST_LABEL:
        document.fail((*at, LABEL), f"label: a text of at most {LONGEST_LABEL} characters on one line is expected")


def check_measure(measure: Measure, document: Document, at: tuple) -> None:
    """Check the attack, the probe and ε of a measurement. Raises BadInput."""
    if measure.attack not in ATTACKS:
        document.fail((*at, "attack"), unknown("attack", measure.attack, ATTACKS))
    objection = ATTACKS[measure.attack].objection(measure)
    if objection:
        document.fail((*at, "attack"), objection)
    if measure.probe not in PROBES:
        document.fail((*at, "probe"), unknown("probe", measure.probe, PROBES))
    epsilon = fraction(measure.epsilon)
    if not (epsilon is None or isinstance(epsilon, float) and 0 < epsilon <= 1):
        document.fail((*at, "epsilon"), f"epsilon: a number in (0,1] or 8/255, not {measure.epsilon!r}")


def check_packages(suite: Suite, names: Iterable[str], document: Document) -> None:
    """Raise BadInput where one of the named experiments has an attack whose package is not installed."""
    for name in names:
        for i, measure in enumerate(suite.experiments[name].measure):
            lacking = ATTACKS[measure.attack].missing_package()
            if lacking:
                document.fail(("experiments", name, "measure", i, "attack"), lacking)
