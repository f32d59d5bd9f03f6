"""`KEY.json` files: all that a machine without Ray needs to train and measure one network of a plan.

`plan --trials DIR` writes one per missing network. DIR is laid out as a runs directory: it has the plans, and
`trial DIR/KEY.json` works in `DIR/trials/KEY/`. So `report --runs DIR` draws it, and `ingest DIR` brings it home.
"""

from pathlib import Path

import pydantic

from bench.atomic_write import write_text
from bench.damaged_files import Damaged, read_sealed, write_sealed
from bench.errors import BadInput
from bench.run.bring_trials_home import take_idle_trial
from bench.run.execution_plan import ExecutionPlan
from bench.run.plan_files import write_plan
from bench.spec.content_key import Frozen
from bench.spec.recipe import Recipe
from bench.spec.recipe_fields import unknown_name
from bench.spec.registry import Attack, lookup
from bench.spec.strict_yaml import explain, first_error
from bench.spec.trial import Trial

KEYS = "keys.txt"  # a key per line, in the order in which the networks should run: for job arrays


class TrialFile(Frozen):
    """Contents of a `KEY.json`. The recipe has the data's hash; `surrogates` are the other networks whose weights
    the trial takes: those on which examples are crafted, the other ends of blends, and the start of fine-tuning."""

    trial: Trial
    surrogates: tuple[Recipe, ...] = ()


def write_trial_files(plan: ExecutionPlan, folder: Path, command: str) -> tuple[list[Path], list[str]]:
    """Write a file per remaining network, the plans, and the list of keys. A network that has begun in the plan's runs
    directory goes on from there. Returns the files, and lines on damaged ones. Raises BadInput where a trial is
    running."""
    folder.mkdir(parents=True, exist_ok=True)
    recipes = {trial.key: trial.recipe for trial in plan.trials}
    for suite_plan in plan.plans:
        write_plan(suite_plan, folder, command)
    paths, lines = [], []
    for trial in plan.remaining:
        surrogates = trial.needs
        for key in (trial.key, *sorted(surrogates)):
            begun = plan.request.runs / "trials" / key
            try:
                lines += take_idle_trial(begun, folder / "trials" / key, recipes[key]) if begun.is_dir() else []
            except BlockingIOError:
                raise BadInput(f"{begun}: is being trained: wait for its command, or stop it") from None
        content = TrialFile(trial=trial, surrogates=tuple(recipes[key] for key in sorted(surrogates)))
        paths.append(folder / f"{trial.key}.json")
        write_sealed(paths[-1], content.model_dump(mode="json"))
    write_text(folder / KEYS, "".join(f"{trial.key}\n" for trial in plan.remaining))
    return paths, lines


def read_trial_file(path: Path) -> TrialFile | Recipe:
    """Read a `KEY.json`, or the recipe.json of a trial's directory. Raises BadInput."""
    try:
        fields = read_sealed(path)
    except Damaged as error:
        raise BadInput(error) from None
    if fields is None:
        raise BadInput(f"{path}: cannot be read: there is no such file")
    kind = TrialFile if "trial" in fields else Recipe
    try:
        content = kind.model_validate(fields)
    except pydantic.ValidationError as error:
        raise BadInput(f"{path}:1: {explain(first_error(error), kind)}") from None
    if objection := unregistered_name(content):
        raise BadInput(f"{path}:1: {objection}")
    return content


def unregistered_name(content: TrialFile | Recipe) -> str | None:
    """A message for the first method, norm, attack, … that is neither known here nor registered by --plugin, and for an
    attack whose package is not installed; or None."""
    trial = content.trial if isinstance(content, TrialFile) else None
    for recipe in (trial.recipe, *content.surrogates) if trial else (content,):
        if objection := unknown_name(recipe):
            return objection[1]
    try:
        attacks = [lookup(Attack, measurement.attack) for measurement in trial.measurements] if trial else []
    except ValueError as error:
        return str(error)
    return next(filter(None, (attack.missing_package() for attack in attacks)), None)
