"""The `trial` verb: run one network in one directory, without Ray and MLflow."""

import json
import sys
from pathlib import Path

import pydantic
import torch

from bench import data
from bench.errors import BadInput
from bench.run import provenance
from bench.run.trial import run_trial
from bench.spec.lambda_sets import lambda_set
from bench.spec.measurement import Measurement
from bench.spec.plugins import plugin_provenance
from bench.spec.recipe import Recipe
from bench.spec.recipe_fields import unknown_name
from bench.spec.registry import ATTACKS
from bench.spec.strict_yaml import explain, first_error
from bench.spec.trial import Trial


def run_trial_command(
    recipe_path: Path,
    directory: Path,
    source: str,
    lambdas: str,
    test_images: int | None,
    data_root: Path,
    threads: int,
) -> int:
    """Train and measure, printing a JSON row per epoch and λ on stdout. Returns the exit code.

    `source` and `lambdas` default to the recipe's where they are empty. Raises BadInput, also when the data's content
    hash is not the recipe's.
    """
    recipe = read_recipe(recipe_path)
    source = data.absolute(source or recipe.dataset)
    measurements = accuracy_measurements(recipe, lambdas, test_images)
    info = data.describe(source, data_root)
    if info.fingerprint != recipe.data_hash:
        expected = f"{recipe_path}, whose content hash is {recipe.data_hash[:12]}…"
        raise BadInput(f"--source {source}: is not the data of {expected}")
    data.require_files(source, data_root)
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trial, failed = Trial(recipe=recipe, measurements=measurements, source=source), False
    code_version = provenance.git_commit() | plugin_provenance()
    if reason := provenance.why_unknown():
        print(reason, file=sys.stderr)
    for row in run_trial(trial, directory, data_root, device, code_version):
        print(json.dumps(row), flush=True)
        failed = failed or "failed" in row
    return int(failed)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a JSON file. Raises BadInput."""
    try:
        recipe = Recipe.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    except pydantic.ValidationError as error:
        raise BadInput(f"{path}:1: {explain(first_error(error), Recipe)}") from None
    objection = unknown_name(recipe)
    if objection:
        raise BadInput(f"{path}:1: {objection[1]}")
    return recipe


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
