"""A suite file × a scale file → panels of trials. Identical trials are one, however many panels show them.

A network entry of a suite gives fields of Recipe. A field that holds one value and is given several (a list, or the
name of a λ set) stands for a network each: `{method: pgd_at, lam: S1}` is six networks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pydantic

from bench import data
from bench.attacks import ATTACKS, STEPS
from bench.errors import BadInput, unknown
from bench.provenance import ROOT
from bench.recipes import PLANNED, combinations, parse_settings, recipe_of
from bench.specs import LAMBDA_SETS, Measurement, Recipe, Trial
from bench.yamlfile import Document, read

SCALES = ROOT / "suites" / "scales"


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class Measure(Strict):
    attack: str = "pgd7"
    lambdas: str | list[float] = "S1"

    @pydantic.field_validator("lambdas")
    @classmethod
    def _grid(cls, value):
        if isinstance(value, list) and (not value or any(not 0 <= lam <= 1 for lam in value)):
            raise ValueError("the name of a λ set, or a list of values in [0,1]")
        return value


class Experiment(Strict):
    figures: list[str]
    dataset: str
    about: str = ""
    networks: list[dict[str, Any]] = pydantic.Field(min_length=1)
    measure: list[Measure] = pydantic.Field(min_length=1)


class Suite(Strict):
    suite: str
    about: str
    experiments: dict[str, Experiment]


class Scale(Strict):
    scale: str
    about: str
    seeds: int = pydantic.Field(1, ge=1)
    lr: list[float] = pydantic.Field(min_length=1)
    train_images: int | None = pydantic.Field(None, ge=1)
    test_images: int | None = pydantic.Field(None, ge=1)
    recipe: dict[str, Any] = {}
    datasets: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Options:
    """What the command line adds. `datasets` maps a suite's data set to a source; `settings` are `field=value` texts;
    `root` is the folder of the official archives."""

    only: tuple[str, ...] = ()
    datasets: dict[str, str] = field(default_factory=dict)
    seeds: int | None = None
    settings: tuple[str, ...] = ()
    precision: str = "fp32"  # what `precision: auto` becomes on this machine
    root: Path = ROOT / "data"


@dataclass(frozen=True)
class Panel:
    """One experiment on one data set: a panel of its figures."""

    experiment: str
    figures: tuple[str, ...]
    stands_for: str
    info: data.Info
    arch: str
    overrides: dict[str, str]
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Plan:
    suite: str
    scale: str
    panels: tuple[Panel, ...]

    @property
    def trials(self) -> list[Trial]:
        return merge(trial for panel in self.panels for trial in panel.trials)


def merge(trials: Iterable[Trial]) -> list[Trial]:
    """Each network once, with all that any of its trials asks of it, in the order of first mention."""
    merged: dict[str, Trial] = {}
    for trial in trials:
        have = merged.setdefault(trial.key, trial)
        more = tuple(what for what in trial.measurements if what not in have.measurements)
        merged[trial.key] = have.model_copy(update={"measurements": have.measurements + more})
    return list(merged.values())


def plan(suite_path: Path, scale_name: str, options: Options) -> Plan:
    """Raises BadInput for anything wrong in the files or the options."""
    document = read(suite_path)
    suite = document.validate(Suite)
    scale_document = read(scale_path(scale_name))
    scale = scale_document.validate(Scale)
    check_names(suite, scale, document, scale_document, options)
    names = options.only or tuple(suite.experiments)
    panels = tuple(panel(name, suite.experiments[name], scale, document, scale_document, options) for name in names)
    return Plan(suite.suite, scale.scale, panels)


def scale_path(name: str) -> Path:
    """A scale's file: by its name in suites/scales, or any path that ends in .yaml."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    path, known = SCALES / f"{name}.yaml", sorted(p.stem for p in SCALES.glob("*.yaml"))
    if name not in known:
        raise BadInput(f"--scale: {unknown('scale', name, known)}")
    return path


def check_names(suite: Suite, scale: Scale, document: Document, scale_document: Document, options: Options) -> None:
    for name in options.only:
        if name not in suite.experiments:
            raise BadInput(f"--only: {unknown('experiment', name, suite.experiments)}")
    for name in options.datasets:
        if name not in scale.datasets:
            raise BadInput(f"--dataset: {unknown('data set', name, scale.datasets)}")
    for name, experiment in suite.experiments.items():
        at = ("experiments", name)
        if experiment.dataset not in scale.datasets:
            document.fail((*at, "dataset"), unknown("data set", experiment.dataset, scale.datasets))
        for i, measure in enumerate(experiment.measure):
            if measure.attack not in ATTACKS:
                document.fail((*at, "measure", i, "attack"), unknown("attack", measure.attack, ATTACKS))
            if isinstance(measure.lambdas, str) and measure.lambdas not in LAMBDA_SETS:
                document.fail((*at, "measure", i, "lambdas"), unknown("λ set", measure.lambdas, LAMBDA_SETS))
        for i, network in enumerate(experiment.networks):
            check_fields(network, document, (*at, "networks", i))
    check_fields(scale.recipe, scale_document, ("recipe",))
    for name, fields in scale.datasets.items():
        check_fields(fields, scale_document, ("datasets", name), extra={"source"})


def check_fields(fields: dict, document: Document, at: tuple, extra: frozenset | set = frozenset()) -> None:
    allowed = [name for name in Recipe.model_fields if name not in PLANNED] + sorted(extra)
    for name in fields:
        if name not in allowed:
            document.fail((*at, name), unknown("field", name, allowed))


def panel(name: str, experiment: Experiment, scale: Scale, document, scale_document, options: Options) -> Panel:
    role = dict(scale.datasets[experiment.dataset])
    source = role.pop("source", experiment.dataset)
    if not isinstance(source, str):
        scale_document.fail(("datasets", experiment.dataset, "source"), f"source: a name or path, not {source!r}")
    source = options.datasets.get(experiment.dataset, source)
    if source not in data.NAMES:
        source = str(Path(source).expanduser().resolve())  # workers run elsewhere
    info = data.describe(source, options.root)
    common = {"augment": info.augment, "heldout": info.heldout, "lr": scale.lr, "precision": "auto"}
    common |= scale.recipe | role
    settings = parse_settings(options.settings)
    seeds = range(options.seeds or scale.seeds)
    trials: dict[str, Trial] = {}
    for i, network in enumerate(experiment.networks):
        at = ("experiments", name, "networks", i)
        given = [(document, at, network), (scale_document, ("datasets", experiment.dataset), role)]
        given += [(scale_document, ("recipe",), scale.recipe), (scale_document, (), {"lr": scale.lr})]
        blame = partial(blamed, given, options.settings)
        fixed_batch = "batch" in network or "batch" in settings
        for fields in combinations(common | network | settings, blame):
            for seed in seeds:
                planned = {"dataset": info.name, "data_hash": info.fingerprint, "seed": seed}
                planned |= (
                    {"train_images": scale.train_images} if (scale.train_images or info.train) < info.train else {}
                )
                recipe = recipe_of(fields | planned, options.precision, fixed_batch, blame)
                if recipe.heldout + recipe.batch > info.train:
                    why = (
                        f"{recipe.heldout} held-out images and a batch of {recipe.batch} are more than the {info.train}"
                    )
                    blame(("heldout",), f"{why} training images of {info.name}")
                measurements = tuple(measurement(m, recipe, scale) for m in experiment.measure)
                trials.setdefault(recipe.key, Trial(recipe=recipe, measurements=measurements, source=source))
    arch = next(iter(trials.values())).recipe.arch
    overrides = dict(text.split("=", 1) for text in options.settings)
    return Panel(name, tuple(experiment.figures), experiment.dataset, info, arch, overrides, tuple(trials.values()))


def blamed(given: list[tuple], settings: tuple[str, ...], loc: tuple, message: str) -> NoReturn:
    """Raise BadInput where the field that `loc` leads to was given: by --set, in the suite, or in the scale."""
    for text in settings:
        if text.partition("=")[0].removeprefix("protocol.") in loc:
            raise BadInput(f"--set {text}: {message}")
    for document, at, fields in given:
        if loc and loc[0] in fields:
            document.fail(at + loc, message)
    document, at, _ = given[0]
    document.fail(at, message)


def measurement(measure: Measure, recipe: Recipe, scale: Scale) -> Measurement:
    """What a suite asks of every network, for this one: PGD-AT is measured at its own λ only."""
    lambdas = LAMBDA_SETS[measure.lambdas] if isinstance(measure.lambdas, str) else tuple(measure.lambdas)
    return Measurement(
        attack=measure.attack,
        epsilon=recipe.epsilon,
        step=recipe.attack_step(steps=STEPS[measure.attack]),
        lambdas=(recipe.lam,) if recipe.method == "pgd_at" else lambdas,
        test_images=scale.test_images,
    )
