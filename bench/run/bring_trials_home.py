"""Copy trials from one directory to another: out of a runs directory for machines without Ray, and home again.

Each file gets its checksum into the target's manifest before its name, so a kill leaves the target sound.
"""

import shutil
from pathlib import Path

from bench import stored_plans, trial_manifest
from bench.atomic_write import replacing
from bench.damaged_files import Damaged, write_sealed
from bench.errors import BadInput
from bench.run.missing_work import has_weights
from bench.run.repair import directory_lock, repair
from bench.spec.recipe import Recipe
from bench.trial_dir import load_recipe, read_progress, read_results, undamaged

RESULTS = "results.json"
TRAINING = ("progress.jsonl", "checkpoint/state.safetensors")
FAILURE = ("failure.json", "error.log")


def bring_home(folder: Path, runs: Path) -> list[str]:
    """Copy the trials and plans of a folder into a runs directory. Returns lines on what happened.

    folder: a directory of `plan --trials`, a runs directory, or the directory of one trial. Raises BadInput for any
    other.
    """
    lines: list[str] = []
    if (folder / "recipe.json").is_file():
        directories = [folder]
    elif (folder / "trials").is_dir():
        directories = sorted(path for path in (folder / "trials").iterdir() if path.is_dir())
        lines = take_plans(folder, runs)
    else:
        raise BadInput(f"{folder}: no trial was run there: give the directory that contains trials/, or a trial's own")
    for directory in directories:
        recipe = undamaged(load_recipe, directory)
        if recipe is None:
            lines.append(f"{directory}: no recipe.json of a network, skipped")
        else:
            lines += take_trial(directory, runs / "trials" / recipe.key, recipe)
    return [*lines, f"{folder}: {len(directories)} networks brought to {runs}"]


def take_plans(folder: Path, runs: Path) -> list[str]:
    """Copy plans; of two with the same name the newer one stays. Returns a line for each damaged one."""
    lines = []
    (runs / "plans").mkdir(parents=True, exist_ok=True)
    for path in sorted((folder / "plans").glob("*.json")):
        target = runs / "plans" / path.name
        present = undamaged(stored_plans.read_plan, target)
        try:
            plan = stored_plans.read_plan(path)
        except Damaged as damage:
            lines.append(f"{damage}: left out")
        else:
            if present is None or stored_plans.created(present) < stored_plans.created(plan):
                write_sealed(target, plan)
    return lines


def take_trial(source: Path, target: Path, recipe: Recipe) -> list[str]:
    """Copy what the source has and the target lacks. Returns lines on damaged files and on what was left out.

    A trained network replaces one in training, and a longer training a shorter one. Between directories with the same
    weights, measurements are added. Where the weights differ, the target keeps its own. An archive without weights has
    measurements whose weights are known by their checksums.
    """
    try:
        return take_idle_trial(source, target, recipe)
    except BlockingIOError:
        return [f"{source}: the trial is running there, or in {target}: left out"]


def take_idle_trial(source: Path, target: Path, recipe: Recipe) -> list[str]:
    """As `take_trial`. Raises BlockingIOError where the trial is running."""
    if target.exists() and source.samefile(target):
        return []
    with directory_lock(source, wait=False), directory_lock(target, wait=False):
        lines = [line for directory in (source, target) for line in repair(directory, recipe, thorough=True)]
        return lines + merge(source, target, recipe.key)


def merge(source: Path, target: Path, key: str) -> list[str]:
    """As `take_trial`, between undamaged directories whose locks are held."""
    theirs, ours = origin(source, key), origin(target, key)
    if (ours or measurements(target, key)) and (ours != theirs or not ours):
        new = measurements(source, key).keys() - measurements(target, key).keys()
        if has_weights(source) and not has_weights(target):
            return [f"{source}: its weights are not those that the measurements in {target} are of: left out"]
        text = f"{source}: {len(new)} of its measurements are of other weights than those in {target}: left out"
        return [text] if new else []
    if not ours and (theirs or len(read_progress(source, key)) > len(read_progress(target, key))):
        for name in TRAINING:
            trial_manifest.forget(target, name)
            (target / name).unlink(missing_ok=True)
    manifest = trial_manifest.read(source, key)
    for name in manifest.files:
        if name != RESULTS and is_plain_file(source / name) and not (target / name).exists():
            copy_file(source, target, name, key)
    merge_results(source, target, key)
    remember_origin(target, theirs, key)
    if has_no_more(target, source, key):
        take_failure(source, target)
    return []


def is_plain_file(path: Path) -> bool:
    """A link in a folder from elsewhere could name any file of this machine."""
    return path.is_file() and not path.is_symlink()


def has_no_more(target: Path, source: Path, key: str) -> bool:
    """Whether the target has no epoch and no measurement that the source lacks, so that the source's failure is its."""
    epochs = len(read_progress(target, key)) <= len(read_progress(source, key))
    return epochs and measurements(target, key).keys() <= measurements(source, key).keys()


def take_failure(source: Path, target: Path) -> None:
    """The source's failure, or none, in place of the target's."""
    for name in FAILURE:
        (target / name).unlink(missing_ok=True)
        if is_plain_file(source / name):
            with replacing(target / name) as temporary:
                shutil.copyfile(source / name, temporary)


def merge_results(source: Path, target: Path, key: str) -> None:
    """Add the measurements that the target lacks. Call when it has the weights, whose checksums are recorded."""
    results = read_results(target, key)
    new = {name: entry for name, entry in measurements(source, key).items() if name not in measurements(target, key)}
    if not results and new:
        copy_file(source, target, RESULTS, key)
    elif new:
        results["measurements"] |= new
        trial_manifest.write_json(target, RESULTS, results, key)


def copy_file(source: Path, target: Path, name: str, key: str) -> None:
    with trial_manifest.recorded(target, name, key) as temporary:
        shutil.copyfile(source / name, temporary)


def origin(directory: Path, key: str) -> dict[str, str]:
    """{file: checksum} of the selected weights or, without these files, of those that results.json was measured on.

    {} before the end of training, and where the weights that were measured are not known.
    """
    sums = {path.name: trial_manifest.file_checksum(path) for path in sorted(directory.glob("weights*.safetensors"))}
    manifest = trial_manifest.usable(directory, key)
    return sums or (manifest.measured_on if manifest else {})


def remember_origin(directory: Path, weights: dict[str, str], key: str) -> None:
    """Note on which weights results.json was measured, in a directory that has it without the weights."""
    manifest = trial_manifest.usable(directory, key)
    if manifest and RESULTS in manifest.files and not manifest.measured_on and weights:
        manifest.measured_on = weights
        trial_manifest.write(directory, manifest)


def measurements(directory: Path, key: str) -> dict[str, dict]:
    return read_results(directory, key).get("measurements", {})
