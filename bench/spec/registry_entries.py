"""Kinds of entries of the registry: training methods, attacks, probes, blends, norms, backbones and plugins' figures.

Their fields name the code of each by "module:function", or give the function itself.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

Target = str | Callable  # "module:function", or the function

ATTACK_DEFAULTS = {"steps": None, "start": None, "restarts": 1, "targeted": False}  # what a measurement may change


def load(target: Target) -> Callable:
    """The function at "module:function", imported now; a function is returned as it is."""
    if callable(target):
        return target
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class Method:
    """Training method. `target`: (engine, recipe, batch) → iterator of loss terms.

    cost: (recipe, fraction of the images that is attacked) → passes of the network per training image.
    fields: optional fields of Recipe that the method requires; every other method refuses them.
    about: one line for `list`.
    network: class of a backbone → class of the method's networks, where that is another one.
    """

    kind: ClassVar[str] = "method"
    name: str
    target: Target
    cost: Target = "bench.spec.costs:training_image"
    fields: tuple[str, ...] = ()
    about: str = ""
    network: Target | None = None


@dataclass(frozen=True)
class Attack:
    """Attack. `target`: (logits, x, y, epsilon, step, steps, rng, start, loss) → x_adv.

    steps, start: used where a measurement gives none. loss: (outputs, y) → (N,), increased by the attack.
    passes: of the network per step, a forward and a backward each counted 1. fixed: the fields of ATTACK_DEFAULTS that
    the attack has no use for; a measurement that changes one of them is refused.
    effort: number of classes → gradient steps per image, where that is not `steps`.
    lacking: () → one line about a missing package, or None. package: () → name and version of the package that does
    the work. about: one line for `list`.
    """

    kind: ClassVar[str] = "attack"
    name: str
    target: Target
    steps: int
    start: str
    loss: Target = "bench.attacks.pgd:cross_entropy"
    passes: int = 2
    fixed: tuple[str, ...] = ()
    effort: Target | None = None
    lacking: Target | None = None
    package: Target | None = None
    about: str = ""

    def objection(self, measurement) -> str | None:
        """One line about the fields of a measurement (or of a suite's entry) that this attack does not accept."""
        changed = [
            field
            for field, default in ATTACK_DEFAULTS.items()
            if field in self.fixed and getattr(measurement, field) != default
        ]
        return f"{self.name} takes no {' and no '.join(changed)}: leave that out" if changed else None

    def missing_package(self) -> str | None:
        """One line about a package that the attack needs and this machine lacks, or None."""
        return load(self.lacking)() if self.lacking else None

    def credit(self) -> dict[str, str]:
        """{"package": name and version} for the measured rows of an attack that another package implements, or {}."""
        return {"package": load(self.package)()} if self.package else {}


@dataclass(frozen=True)
class Probe:
    """Measurement on a trained network. `target`: (engine, test images, measurement, directory) → iterator of rows.

    cost: (measurement, recipe, number of classes) → passes of the network per image and λ.
    takes: the settings that determine the result, which are filled in from suite, scale and recipe: `attack` (with
    steps, start, restarts, targeted), `epsilon` (with step), `lambdas`, `images`, `test_images`, `few_images`,
    `masking_images`. several_lambdas: refuse PGD-AT, which has one λ.
    row: (row, measurement as a dict) → checked row for reports; reports has the checks of the probes below by name.
    """

    kind: ClassVar[str] = "probe"
    name: str
    target: Target
    cost: Target = "bench.spec.costs:no_images"
    takes: tuple[str, ...] = ()
    several_lambdas: bool = False
    row: Target | None = None


@dataclass(frozen=True)
class Blend:
    """Models between two ends, by a weight α in [0,1] that takes the place of λ (docs/dials.md). No model is trained.

    target: (engines of the measured network and of the other end, Dataset, measurement) → object with `parts`, the ends
    as models, and `at(α)`, the blended model followed by further models that an attack may go through.
    other: recipe of the measured network → that of the other end, or None. Raises ValueError for unsuitable networks.
    label: of its curve. networks: that each image passes through. attacks: per α, in attacks on the blend; what is
    crafted on the ends serves every α. about: one line for `list`.
    """

    kind: ClassVar[str] = "blend"
    name: str
    target: Target
    other: Target
    label: str
    networks: int = 1
    attacks: float = 1
    about: str = ""


@dataclass(frozen=True)
class Norm:
    """Normalisation layer. `target`: (channels, FiLM or None, widths) → ConditionalNorm.

    branches: 2 where images with λ=0 have affine parameters of their own, so that training needs λ=0 and another λ.
    """

    kind: ClassVar[str] = "norm"
    name: str
    target: Target
    branches: int = 1


@dataclass(frozen=True)
class Backbone:
    """Backbone, or a family of them. `target`: (recipe, in_channels, classes, **sizes) → ConditionalNetwork.

    sizes: value of a recipe's `arch` → the sizes in the name, or None where the name is not of this family. Raises
    ValueError for sizes that the family does not have. Without `sizes` the backbone's name is the only one.
    """

    kind: ClassVar[str] = "architecture"
    name: str
    target: Target
    sizes: Target | None = None

    def parse(self, arch: str) -> dict[str, int] | None:
        """The sizes in `arch`, or None where it is not of this family. Raises ValueError, see `sizes`."""
        if self.sizes:
            return load(self.sizes)(arch)
        return {} if arch == self.name else None


@dataclass(frozen=True)
class Figure:
    """Figure that a plugin adds to the report. `target`: () → FigureSpec (reports/figures/figure_spec.py)."""

    kind: ClassVar[str] = "figure"
    name: str
    target: Target


Entry = Method | Attack | Probe | Blend | Norm | Backbone | Figure
