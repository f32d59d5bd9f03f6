"""A suite file × a scale file → panels of trials. Identical trials are one, however many panels show them.

A network entry of a suite gives fields of Recipe. A field that holds one value and is given several (a list, or the
name of a λ set) stands for a network each: `{method: pgd_at, lam: S1}` is six networks.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import pydantic

from bench import ROOT, data
from bench.errors import BadInput, unknown
from bench.spec.lambda_sets import lambda_set
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.recipe_fields import PLANNED, combinations, fraction, parse_settings, recipe_of
from bench.spec.registry import ATTACK_DEFAULTS, ATTACKS, PROBES, Probe
from bench.spec.strict_yaml import Document, read
from bench.spec.surrogates import with_lenders
from bench.spec.trial import Trial

SCALES = ROOT / "suites" / "scales"
LABEL = "label"  # of a network entry: what its curve is called, where the method's own name does not tell it apart


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class Measure(Strict):
    """What is asked of every network of an experiment, for each of its `widths`. Further fields are Measurement's."""

    probe: str = "accuracy"
    attack: str = "pgd7"
    lambdas: str | list[float] = "S1"
    widths: list[float] = pydantic.Field([1.0], min_length=1)
    epsilon: float | str | None = None  # None: the recipe's
    steps: int | None = pydantic.Field(None, ge=1)
    start: Literal["uniform", "image"] | None = None
    restarts: int = pydantic.Field(1, ge=1)
    targeted: bool = False
    images: list[pydantic.NonNegativeInt] = []
    few_images: bool = False  # on the scale's `few_images`: what costs much, and what is drawn beside it

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
    few_images: int | None = pydantic.Field(None, ge=1)  # test images of a measurement that asks for few
    few_lambdas: list[Annotated[float, pydantic.Field(ge=0, le=1)]] = []  # and of its λ these alone; else all
    masking_images: int = pydantic.Field(100, ge=1, le=256)  # of the signs of masked gradients; at most one batch
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
    precision: Callable[[], str] = lambda: "fp32"  # what `precision: auto` becomes on this machine; asked if need be
    root: Path = ROOT / "data"


@dataclass(frozen=True)
class Panel:
    """One experiment on one data set: a panel of its figures."""

    experiment: str
    figures: tuple[str, ...]
    stands_for: str
    info: data.DatasetInfo
    arch: str
    overrides: dict[str, str]
    trials: tuple[Trial, ...]
    labels: dict[str, str] = field(default_factory=dict)  # trial key → the label that the suite gives it


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
        if have.measurements != trial.measurements:
            both = tuple(dict.fromkeys(have.measurements + trial.measurements))
            merged[trial.key] = have.model_copy(update={"measurements": both})
    return list(merged.values())


def plan(suite_path: Path, scale_name: str, options: Options) -> Plan:
    """Raises BadInput for anything wrong in the files or the options."""
    document = read(suite_path)
    suite = document.validate(Suite)
    scale_document = read(scale_path(scale_name))
    scale = scale_document.validate(Scale)
    check_names(suite, scale, document, scale_document, options)
    names = options.only or tuple(suite.experiments)
    check_packages(suite, names, document)
    panels = tuple(panel(name, suite.experiments[name], scale, document, scale_document, options) for name in names)
    return Plan(suite.suite, scale.scale, panels)


def experiments(suite_path: Path) -> tuple[str, ...]:
    """The names in a suite file. Raises BadInput."""
    return tuple(read(suite_path).validate(Suite).experiments)


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
            objection = ATTACKS[measure.attack].objection(measure)
            if objection:
                document.fail((*at, "measure", i, "attack"), objection)
            if measure.probe not in PROBES:
                document.fail((*at, "measure", i, "probe"), unknown("probe", measure.probe, PROBES))
            epsilon = fraction(measure.epsilon)
            if not (epsilon is None or isinstance(epsilon, float) and 0 < epsilon <= 1):
                why = f"epsilon: a number in (0,1] or 8/255, not {measure.epsilon!r}"
                document.fail((*at, "measure", i, "epsilon"), why)
        for i, network in enumerate(experiment.networks):
            check_fields(network, document, (*at, "networks", i), extra={LABEL})
    check_fields(scale.recipe, scale_document, ("recipe",))
    for name, fields in scale.datasets.items():
        check_fields(fields, scale_document, ("datasets", name), extra={"source"})


def check_packages(suite: Suite, names: Iterable[str], document: Document) -> None:
    """Attacks that another package makes; one that no chosen experiment asks for may be absent."""
    for name in names:
        for i, measure in enumerate(suite.experiments[name].measure):
            lacking = ATTACKS[measure.attack].missing_package()
            if lacking:
                document.fail(("experiments", name, "measure", i, "attack"), lacking)


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
    if source not in data.NAMED_DATASETS:
        source = str(Path(source).expanduser().resolve())  # workers run elsewhere
    info = data.describe(source, options.root)
    common = {"augment": info.augment, "heldout": info.heldout, "lr": scale.lr, "precision": "auto"}
    common |= scale.recipe | role
    settings = parse_settings(options.settings)
    trials: dict[str, Trial] = {}
    labels: dict[str, str] = {}
    for i, network in enumerate(experiment.networks):
        network = dict(network)
        label = network.pop(LABEL, None)
        at = ("experiments", name, "networks", i)
        given = [(document, at, network), (scale_document, ("datasets", experiment.dataset), role)]
        given += [(scale_document, ("recipe",), scale.recipe), (scale_document, (), {"lr": scale.lr})]
        blame = partial(blamed, given, options.settings)
        fixed_batch = "batch" in network or "batch" in settings
        longer = relative(network, common | settings, blame)
        for fields in combinations(common | network | settings | longer, blame):
            planned = {"dataset": info.name, "data_hash": info.fingerprint}
            planned |= {"train_images": scale.train_images} if (scale.train_images or info.train) < info.train else {}
            recipe = recipe_of(fields | planned, options.precision, fixed_batch, blame)
            if recipe.heldout + recipe.batch > info.train:
                why = f"{recipe.heldout} held-out images and a batch of {recipe.batch} are more than the {info.train}"
                blame(("heldout",), f"{why} training images of {info.name}")
            asked = [what for m in experiment.measure for what in measurements(m, recipe, scale, blame)]
            if not asked:
                continue  # a network of none of the scale's few λ
            for seed in range(options.seeds or scale.seeds):
                sown = recipe.model_copy(update={"seed": seed})
                trial = Trial(recipe=sown, measurements=tuple(dict.fromkeys(asked)), source=source)
                trials.setdefault(trial.key, trial)
                if label is not None:
                    labels.setdefault(trial.key, str(label))
    if not trials:
        scale_document.fail(("few_lambdas",), f"few_lambdas: {scale.few_lambdas} has no λ that {name} measures")
    trials = with_lenders(trials)
    arch = next(iter(trials.values())).recipe.arch
    overrides = dict(text.split("=", 1) for text in options.settings)
    where = (name, tuple(experiment.figures), experiment.dataset, info, arch, overrides)
    return Panel(*where, tuple(trials.values()), labels)


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


def relative(network: dict, base: dict, blame) -> dict:
    """A network's `epochs: +10%` in numbers, of the scale's or of --set epochs, which it outlasts; or {}."""
    match = re.fullmatch(r"\+\s*(\d+)\s*%", str(network.get("epochs")))
    if not match:
        return {}
    epochs = base.get("epochs")
    if not isinstance(epochs, int):
        blame(("epochs",), f"epochs: {network['epochs']} needs a number of epochs in the scale, not {epochs!r}")
    return {"epochs": -(-epochs * (100 + int(match[1])) // 100)}  # rounded up: 10 % more of 15 are 17


def measurements(measure: Measure, recipe: Recipe, scale: Scale, blame) -> Iterator[Measurement]:
    """What a suite asks of every network, for this one: PGD-AT is measured at its own λ only, and for a width each.
    A scale's `few_lambdas` narrow what asks for few images, and OAT's signs of masking; nothing where none is left."""
    named = isinstance(measure.lambdas, str)
    grid = lambda_set(measure.lambdas) if named else tuple(measure.lambdas)
    if recipe.method == "pgd_at":
        grid = (recipe.lam,)
    probe = PROBES[measure.probe]
    signs = "masking_images" in probe.takes and recipe.method != "pgd_at"
    if scale.few_lambdas and (measure.few_images or signs):
        grid = tuple(lam for lam in grid if lam in scale.few_lambdas)
        if not grid:
            return
    for width in measure.widths:
        if width not in (recipe.widths or (1.0,)):
            blame(("widths",), f"a width of {width:g} is measured, but the network has {list(recipe.widths) or [1.0]}")
        if probe.several_lambdas and recipe.method == "pgd_at":
            why = f"probe: {probe.name} crafts at other λ, and pgd_at has one: leave it out of the experiment"
            blame(("method",), why)
        yield Measurement(probe=probe.name, width=width, **settings(probe, measure, recipe, scale, grid))


def settings(probe: Probe, measure: Measure, recipe: Recipe, scale: Scale, grid: tuple[float, ...]) -> dict[str, Any]:
    """The fields of Measurement that the probe takes, filled in from the suite's entry, the scale and the recipe. All
    other fields stay at their default, so that they do not change the measurement's key."""
    epsilon = fraction(measure.epsilon) or recipe.epsilon
    steps = measure.steps or ATTACKS[measure.attack].steps
    attacked = "attack" in probe.takes
    few = "few_images" in probe.takes and measure.few_images and scale.few_images
    values = {
        "attack": {name: getattr(measure, name) for name in ("attack", *ATTACK_DEFAULTS)},
        "epsilon": {"epsilon": epsilon, "step": recipe.attack_step(epsilon, steps) if attacked else epsilon / 4},
        "lambdas": {"lambdas": grid},
        "images": {"images": tuple(measure.images)},
        "test_images": {"test_images": scale.test_images},
        "few_images": {"few_images": True, "test_images": scale.few_images} if few else {},
        "masking_images": {"test_images": min(scale.masking_images, scale.test_images or scale.masking_images)},
    }
    return {name: value for setting in probe.takes for name, value in values[setting].items()}
