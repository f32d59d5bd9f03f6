"""Expansion of a suite at a scale into panels of trials. Panels share identical trials."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from bench import ROOT, data
from bench.data.pooling import pooled_shape
from bench.errors import BadInput, unknown
from bench.spec.blends import other_end, with_other_end
from bench.spec.lambda_sets import lambda_set
from bench.spec.limits import MANY_SEEDS, MAX_NETWORKS, MAX_SEEDS
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.spec.recipe_fields import Blame, combinations, field_values, fraction, parse_settings, recipe_of
from bench.spec.registry import ATTACK_DEFAULTS, ATTACKS, BLENDS, PROBES, Probe
from bench.spec.scale import Scale, read_scale
from bench.spec.small_data import check_classes, describe_fit, fit_to_data
from bench.spec.strict_yaml import Document
from bench.spec.suite import BLEND, LABEL, Experiment, Measure, Suite, check_packages, check_suite, read_suite
from bench.spec.surrogate_networks import with_surrogates
from bench.spec.trial import Trial


@dataclass(frozen=True)
class Options:
    """Options of the command line. `datasets` maps a suite's data set to a source; `settings` are `field=value` texts;
    `precision` returns the value of `precision: auto` on this machine; `root` is the folder of the official archives.
    """

    only: tuple[str, ...] = ()
    datasets: dict[str, str] = field(default_factory=dict)
    seeds: int | None = None
    settings: tuple[str, ...] = ()
    precision: Callable[[], str] = lambda: "fp32"
    root: Path = ROOT / "data"


@dataclass(frozen=True)
class Panel:
    """One experiment on one data set: a panel of its figures. `labels`: trial key → label in the suite; `blend_labels`:
    (trial key, blend) → label of the blend's curve; `notes`: what was left out of the data, or became smaller because
    they are few."""

    experiment: str
    figures: tuple[str, ...]
    stands_for: str
    info: data.DatasetInfo
    arch: str
    overrides: dict[str, str]
    trials: tuple[Trial, ...]
    labels: dict[str, str] = field(default_factory=dict)
    blend_labels: dict[tuple[str, str], str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def info_for(self, recipe: Recipe) -> data.DatasetInfo:
        """The data set with the images' shape after the recipe's pooling."""
        return replace(self.info, shape=pooled_shape(self.info.shape, recipe.pool))


@dataclass(frozen=True)
class Plan:
    suite: str
    scale: str
    panels: tuple[Panel, ...]

    @property
    def trials(self) -> list[Trial]:
        return merge(trial for panel in self.panels for trial in panel.trials)


def merge(trials: Iterable[Trial]) -> list[Trial]:
    """List each network once, with the measurements of all its trials, in the order of first mention."""
    merged: dict[str, Trial] = {}
    for trial in trials:
        first = merged.setdefault(trial.key, trial)
        if first.measurements != trial.measurements:
            both = tuple(dict.fromkeys(first.measurements + trial.measurements))
            merged[trial.key] = first.model_copy(update={"measurements": both})
    return list(merged.values())


def plan(suite_path: Path, scale_name: str, options: Options) -> Plan:
    """Expand a suite. Raises BadInput for anything wrong in the files or the options."""
    suite, document = read_suite(suite_path)
    scale, scale_document = read_scale(scale_name)
    check_options(options, suite, scale)
    check_suite(suite, document, scale)
    names = options.only or tuple(suite.experiments)
    check_packages(suite, names, document)
    files = (scale, document, scale_document, options)
    panels: list[Panel] = []
    for name in names:
        panels.append(panel(name, suite.experiments[name], *files))
        check_count(sum(len(panel.trials) for panel in panels), f"{suite.suite}, up to {name}")
    return Plan(suite.suite, scale.scale, tuple(panels))


def check_count(networks: int, where: str) -> None:
    """Raise BadInput for more networks than a plan can list."""
    if networks > MAX_NETWORKS:
        raise BadInput(f"{where}: {networks:,} networks, more than {MAX_NETWORKS:,}: ask for fewer values or seeds")


def check_options(options: Options, suite: Suite, scale: Scale) -> None:
    """Check --seeds and the names that --only and --dataset give. Raises BadInput."""
    if options.seeds and options.seeds > MAX_SEEDS:
        raise BadInput(f"--seeds {options.seeds}: more than {MAX_SEEDS:,}: {MANY_SEEDS}")
    for name in options.only:
        if name not in suite.experiments:
            raise BadInput(f"--only: {unknown('experiment', name, suite.experiments)}")
    for name in options.datasets:
        if name not in scale.datasets:
            raise BadInput(f"--dataset: {unknown('data set', name, scale.datasets)}")


def panel(
    name: str, experiment: Experiment, scale: Scale, document: Document, scale_document: Document, options: Options
) -> Panel:
    """Expand one experiment: a trial for each network, each combination of its fields' values, and each seed."""
    role = dict(scale.datasets[experiment.dataset])
    source = role.pop("source", experiment.dataset)
    if not isinstance(source, str):
        scale_document.fail(("datasets", experiment.dataset, "source"), f"source: a name or path, not {source!r}")
    if experiment.dataset in options.datasets:
        source = options.datasets[experiment.dataset]
        role.pop("pool", None)  # of the scale's images, not of those that the user gives
    source = data.absolute(source)
    info = data.describe(source, options.root)
    common = {"augment": info.augment, "heldout": info.heldout, "lr": scale.lr, "precision": "auto"}
    common |= scale.recipe | role
    settings = parse_settings(options.settings)
    trials: dict[str, Trial] = {}
    labels: dict[str, str] = {}
    blend_labels: dict[tuple[str, str], str] = {}
    seeds, networks = options.seeds or scale.seeds, 0
    notes: dict[str, None] = dict.fromkeys(info.notes)
    for i, network in enumerate(experiment.networks):
        network = dict(network)
        label, blend = network.pop(LABEL, None), network.pop(BLEND, None)
        origins = [
            (document, ("experiments", name, "networks", i), network),
            (scale_document, ("datasets", experiment.dataset), role),
            (scale_document, ("recipe",), scale.recipe),
            (scale_document, (), {"lr": scale.lr}),
        ]
        blame = partial(blame_origin, origins, options.settings)
        fixed_batch = "batch" in network or "batch" in settings
        longer = relative_epochs(network, common | settings, blame)
        values = field_values(common | network | settings | longer, blame)
        networks += seeds * math.prod(len(choices) for choices in values.values())
        check_count(networks, f"{document.path.name}, experiment {name}")
        for fields in combinations(values):
            recipe, lines = recipe_for(fields, info, scale, options.precision, fixed_batch, settings, blame)
            notes |= dict.fromkeys(lines)
            measured = [m for measure in experiment.measure for m in measurements(measure, recipe, scale, blame, blend)]
            for trial in trials_of(recipe, measured, seeds, source):
                (trials[trial.key],) = merge([trials.get(trial.key, trial), trial])
                if blend:
                    blend_labels[trial.key, blend] = str(label or BLENDS[blend].label)
                elif label is not None:
                    labels.setdefault(trial.key, str(label))
    if not trials:
        scale_document.fail(("few_lambdas",), f"few_lambdas: {scale.few_lambdas} has no λ that {name} measures")
    trials = with_surrogates(trials)
    require_other_networks(trials, partial(document.fail, ("experiments", name, "networks")))
    labels |= {key: text for (key, _), text in blend_labels.items() if trials[key].blends_alone}
    arch = next(iter(trials.values())).recipe.arch
    overrides = dict(text.split("=", 1) for text in options.settings)
    about = (name, tuple(experiment.figures), experiment.dataset, info, arch, overrides)
    return Panel(*about, tuple(trials.values()), labels, blend_labels, tuple(notes))


def require_other_networks(trials: dict[str, Trial], fail: Callable[[str], NoReturn]) -> None:
    """Fail where the experiment lacks a network that another is fine-tuned from or blended with."""
    for trial in trials.values():
        if trial.needs - trials.keys():
            ends = [other_end(m.blend, trial.recipe) for m in trial.measurements if m.blend]
            other = next(end for end in [trial.recipe.start, *ends] if end and end.key not in trials)
            fail(f"{trial.recipe.name} needs another network: add {{method: pgd_at, lam: {other.lam:g}}}")


def recipe_for(
    fields: dict,
    info: data.DatasetInfo,
    scale: Scale,
    precision: Callable[[], str],
    fixed_batch: bool,
    settings: dict,
    blame: Blame,
) -> tuple[Recipe, list[str]]:
    """The recipe of one combination of fields on a data set, and notes on what few images changed in it.

    `fixed_batch`: see recipe_of. `settings` are the fields that --set gives, which few images do not change.
    """
    fields = fields | {"dataset": info.name, "data_hash": info.fingerprint}
    if (scale.train_images or info.train) < info.train:
        fields["train_images"] = scale.train_images
    recipe = recipe_of(fields, precision, fixed_batch, blame)
    try:
        pooled_shape(info.shape, recipe.pool)
    except data.DataError as error:
        blame(("pool",), f"{info.name}: {error}")
    try:
        fitted = fit_to_data(recipe, info.train, settings)
    except ValueError as error:
        blame(("heldout",) if "heldout" in settings else ("batch",), str(error))
    try:
        classes_note = check_classes(fitted, info, scale.test_images)
    except ValueError as error:
        blame(("heldout",) if "heldout" in settings else ("train_images",), str(error))
    return fitted, [note for note in (describe_fit(recipe, fitted, info.train), classes_note) if note]


def trials_of(recipe: Recipe, measured: list[Measurement], seeds: int, source: str) -> Iterator[Trial]:
    """Yield a trial per seed; none where nothing is measured, as for a PGD-AT network of none of the scale's few λ.

    The attack's random starts are those of the seed, so that their noise is in the spread between seeds, and the
    networks of one seed are compared on the same starts.
    """
    for seed in range(seeds if measured else 0):
        seeded = recipe.model_copy(update={"seed": seed})
        of_seed = (with_other_end(measurement.of_seed(seed), seeded) for measurement in measured)
        measurements = tuple(dict.fromkeys(of_seed))
        yield Trial(recipe=seeded, measurements=measurements, source=source)


def blame_origin(origins: list[tuple], settings: tuple[str, ...], loc: tuple, message: str) -> NoReturn:
    """Raise BadInput at the origin of the field that `loc` leads to: --set, the suite, or the scale."""
    for text in settings:
        if text.partition("=")[0].removeprefix("protocol.") in loc:
            raise BadInput(f"--set {text}: {message}")
    for document, at, fields in origins:
        if loc and loc[0] in fields:
            document.fail(at + loc, message)
    document, at, _ = origins[0]
    document.fail(at, message)


def relative_epochs(network: dict, base: dict, blame: Blame) -> dict:
    """{"epochs": number} for a network with `epochs: +10%`, relative to the scale or to --set epochs; else {}."""
    match = re.fullmatch(r"\+\s*(\d+)\s*%", str(network.get("epochs")))
    if not match:
        return {}
    epochs = base.get("epochs")
    if not isinstance(epochs, int) or isinstance(epochs, bool):
        blame(("epochs",), f"epochs: {network['epochs']} needs a number of epochs in the scale, not {epochs!r}")
    return {"epochs": -(-epochs * (100 + int(match[1])) // 100)}  # rounded up: 10 % more than 15 are 17


def measurements(
    measure: Measure, recipe: Recipe, scale: Scale, blame: Blame, blend: str | None = None
) -> Iterator[Measurement]:
    """Yield a measurement per width. PGD-AT is measured at its own λ only. SA and RA of a blend are measured at the λ
    as its α; other probes measure the network itself. The scale's `few_lambdas` narrow a λ set given by name, of a
    measurement on few images and of OAT's signs of masked gradients; nothing is yielded where no λ remains."""
    probe = PROBES[measure.probe]
    grid = lambda_set(measure.lambdas) if isinstance(measure.lambdas, str) else tuple(measure.lambdas)
    blend = blend if probe.name == "accuracy" else None
    if blend:
        try:
            other_end(blend, recipe)
        except ValueError as error:
            blame((), f"blend: {error}")
    elif recipe.method == "pgd_at":
        grid = (recipe.lam,)
    masking = "masking_images" in probe.takes and recipe.method != "pgd_at"
    if scale.few_lambdas and isinstance(measure.lambdas, str) and (measure.few_images or masking):
        grid = tuple(lam for lam in grid if lam in scale.few_lambdas)
        if not grid:
            return
    for width in measure.widths:
        if width not in (recipe.widths or (1.0,)):
            blame(("widths",), f"a width of {width:g} is measured, but the network has {list(recipe.widths) or [1.0]}")
        if probe.several_lambdas and recipe.method == "pgd_at":
            why = f"probe: {probe.name} crafts at other λ, and pgd_at has one: leave it out of the experiment"
            blame(("method",), why)
        settings = settings_of(probe, measure, recipe, scale, grid)
        yield Measurement(probe=probe.name, width=width, blend=blend, **settings)


def settings_of(
    probe: Probe, measure: Measure, recipe: Recipe, scale: Scale, grid: tuple[float, ...]
) -> dict[str, Any]:
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
