"""The `trial` verb: one network in one directory, with torch alone."""

import json
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


def read_recipe(path: Path) -> Recipe:
    """A recipe from its JSON file. Raises BadInput."""
    try:
        recipe = Recipe.model_validate_json(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from None
    except pydantic.ValidationError as error:
        raise BadInput(f"{path}:1: {explain(first_error(error), Recipe)}") from None
    wrong = unknown_name(recipe)
    if wrong:
        raise BadInput(f"{path}:1: {wrong[1]}")
    return recipe


def run_one(
    path: Path, directory: Path, source: str, lambdas: str, test_images: int | None, data_root: Path, threads: int
) -> int:
    """Train and measure, a JSON row per epoch and λ on stdout. Returns the exit code.

    Raises BadInput when the data is not what the recipe was made for: its content hash decides.
    """
    recipe = read_recipe(path)
    try:
        grid = lambda_set(lambdas) if lambdas else recipe.lambdas
    except ValueError as error:
        raise BadInput(f"--lambdas: {error}") from None
    source = source or recipe.dataset
    source = source if source in data.NAMED_DATASETS else str(Path(source).resolve())
    info = data.describe(source, data_root)
    if info.fingerprint != recipe.data_hash:
        raise BadInput(f"--source {source}: is not the data of {path}, whose content hash is {recipe.data_hash[:12]}…")
    data.require_archives(source, data_root)
    grid = (recipe.lam,) if recipe.method == "pgd_at" else grid
    asked = {"epsilon": recipe.epsilon, "step": recipe.attack_step(steps=ATTACKS["pgd7"].steps), "lambdas": grid}
    widths = recipe.widths or (1.0,)
    what = tuple(Measurement(**asked, test_images=test_images, width=width) for width in widths)
    torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trial, failed = Trial(recipe=recipe, measurements=what, source=source), False
    extra = {f"git_{name}": value for name, value in provenance.git().items()} | plugin_provenance()
    for row in run_trial(trial, directory, data_root, device, extra):
        print(json.dumps(row), flush=True)
        failed = failed or "failed" in row
    return int(failed)
