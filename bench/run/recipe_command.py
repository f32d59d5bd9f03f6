"""The `recipe` verb: write the recipe of each network of a suite, without training."""

import shlex
from pathlib import Path

from rich.console import Console

from bench import trial_manifest
from bench.errors import BadInput
from bench.run.request import Request
from bench.spec.expand import merge
from bench.trial_dir import load_recipe, undamaged


def write_recipes(request: Request, folder: Path, out: Console) -> None:
    """Write folder/KEY/recipe.json for each network of the request's suites, each once: a trial's directory that
    `trial` takes, and that can be copied under runs/trials/. Raises BadInput, also where a directory has other files.
    """
    panels = [panel for plan in request.plans() for panel in plan.panels]
    trials = merge(trial for panel in panels for trial in panel.trials)
    for trial in trials:
        directory = folder / trial.key
        if directory.exists() and undamaged(load_recipe, directory, trial.key) is None:
            raise BadInput(f"{directory}: holds no recipe.json of this network: choose another folder with --out")
    for trial in trials:
        if not (folder / trial.key).exists():
            recipe = trial.recipe.model_dump(mode="json")
            trial_manifest.write_json(folder / trial.key, "recipe.json", recipe, trial.key)
        out.file.write(f"{folder / trial.key / 'recipe.json'}  {trial.recipe.name}\n")
    if trials:
        first = folder / trials[0].key
        paths = f"{shlex.quote(str(first / 'recipe.json'))} --directory {shlex.quote(str(first))}"
        command = f"python -m bench trial {paths} --source {shlex.quote(trials[0].source)}"
        Console(stderr=True, highlight=False, markup=False).print(f"next: {command}", soft_wrap=True)
