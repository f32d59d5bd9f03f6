"""The `trial` verb: run one network in one directory, without Ray and MLflow."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from bench import data
from bench.errors import BadInput
from bench.run import provenance
from bench.run.job_array_files import TrialFile, read_trial_file
from bench.run.missing_work import has_sound_weights
from bench.run.trial import run_trial
from bench.run.trial_device import NoCuda, trial_device
from bench.spec.lambda_sets import lambda_set
from bench.spec.measurement import Measurement
from bench.spec.plugins import plugin_provenance
from bench.spec.recipe import Recipe
from bench.spec.registry import ATTACKS
from bench.spec.trial import Trial


@dataclass(frozen=True)
class TrialRequest:
    """The arguments of the verb `trial`, as they were typed; "" and None where they were not.

    directory: of the trial; by default `trials/KEY` beside a `KEY.json`. source, lambdas, test_images: by default those
    of the file. gpus: by default a GPU is used where torch can.
    """

    file: Path
    directory: Path | None
    source: str
    lambdas: str
    test_images: int | None
    data_root: Path
    threads: int
    gpus: float | None


def run_trial_command(request: TrialRequest) -> int:
    """Train and measure, printing a JSON row per epoch and λ on stdout. Returns the exit code.

    Raises BadInput, also when the data's content hash is not the recipe's.
    """
    content = read_trial_file(request.file)
    if isinstance(content, Recipe):
        content = TrialFile(trial=trial_of_recipe(content, request))
    elif request.lambdas or request.test_images:
        raise BadInput(f"{request.file}: says what is measured: leave --lambdas and --test-images out")
    trial = content.trial
    if request.source:
        trial = trial.model_copy(update={"source": data.absolute(request.source)})
    directory = request.directory or request.file.parent / "trials" / trial.key
    require_data(trial, request)
    torch.set_num_threads(request.threads)
    device = device_of(request)
    if reason := provenance.why_unknown():
        print(reason, file=sys.stderr)
    failed = False
    code_version = provenance.git_commit() | plugin_provenance()
    for row in run_with_surrogates(
        trial, content.surrogates, directory.resolve(), request.data_root, device, code_version
    ):
        print(json.dumps(row), flush=True)
        failed = failed or "failed" in row
    return int(failed)


def run_with_surrogates(
    trial: Trial, surrogates: tuple[Recipe, ...], directory: Path, data_root: Path, device: torch.device, code: dict
) -> Iterator[dict]:
    """Run a trial that needs the weights of other networks, the surrogates, beside its directory.

    A surrogate that is not trained yet is trained here, after all that needs none; where another process trains it,
    this one waits for it. No lock on a directory is held meanwhile, so no two processes wait for each other.
    """
    for part, folder in parts_of(trial, surrogates, directory):
        for row in run_trial(part, folder, data_root, device, code):
            yield row
            if "failed" in row:
                return


def parts_of(trial: Trial, surrogates: tuple[Recipe, ...], directory: Path) -> Iterator[tuple[Trial, Path]]:
    """What needs no surrogate, the surrogates that are untrained when their turn comes, and the whole trial.

    A network that is fine-tuned can do nothing before its start is trained, so the surrogates come first.
    """
    alone = tuple(measurement for measurement in trial.measurements if not measurement.surrogate)
    if trial.recipe.start is None:
        yield trial.model_copy(update={"measurements": alone}), directory
    for recipe in surrogates:
        if not has_sound_weights(directory.parent, recipe.key):
            yield Trial(recipe=recipe, measurements=(), source=trial.source), directory.parent / recipe.key
    if surrogates:
        yield trial, directory


def trial_of_recipe(recipe: Recipe, request: TrialRequest) -> Trial:
    """The trial of a recipe.json: accuracy at the given λ. Raises BadInput."""
    if request.directory is None:
        raise BadInput(f"{request.file}: is a recipe: give the trial's directory with --directory")
    measurements = accuracy_measurements(recipe, request.lambdas, request.test_images)
    return Trial(recipe=recipe, measurements=measurements, source=data.absolute(recipe.dataset))


def require_data(trial: Trial, request: TrialRequest) -> None:
    """Raise BadInput or DataError unless the data is here and is the recipe's."""
    if data.describe(trial.source, request.data_root).fingerprint != trial.recipe.data_hash:
        expected = f"{request.file}, whose content hash is {trial.recipe.data_hash[:12]}…"
        raise BadInput(f"--source {trial.source}: is not the data of {expected}")
    data.require_files(trial.source, request.data_root)


def device_of(request: TrialRequest) -> torch.device:
    """The device of the trial. Raises BadInput where a GPU was asked for and torch cannot use it."""
    gpus = float(torch.cuda.is_available()) if request.gpus is None else request.gpus
    try:
        return trial_device(gpus)
    except NoCuda as error:
        raise BadInput(error) from None


def accuracy_measurements(recipe: Recipe, lambdas: str, test_images: int | None) -> tuple[Measurement, ...]:
    """Accuracy under PGD-7 at each of the recipe's widths. Raises BadInput for an unknown λ set."""
    try:
        lambda_grid = lambda_set(lambdas) if lambdas else recipe.lambdas
    except ValueError as error:
        raise BadInput(f"--lambdas: {error}") from None
    if recipe.method == "pgd_at":
        lambda_grid = (recipe.lam,)
    step = recipe.attack_step(steps=ATTACKS["pgd7"].steps)
    return tuple(
        Measurement(
            epsilon=recipe.epsilon,
            step=step,
            lambdas=lambda_grid,
            test_images=test_images,
            width=width,
            seed=recipe.seed,  # as a suite has it
        )
        for width in recipe.widths or (1.0,)
    )
