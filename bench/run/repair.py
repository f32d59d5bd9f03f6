"""Set aside the damaged files of a trial's directory, so that `run` makes them anew, and give a directory of an earlier
version its manifest. Needs no torch.

Call with the lock on the trial's directory held: a worker may be writing there.
"""

import fcntl
import fnmatch
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import trial_dir, trial_manifest
from bench.damaged_files import Damaged, read_file, set_aside
from bench.run.driver_lock import lock_file
from bench.spec.measurement import Measurement
from bench.spec.recipe import Recipe
from bench.trial_manifest import Manifest

CHECKPOINT = "checkpoint/state.safetensors"
SMALL = ("recipe.json", "progress.jsonl", "results.json")
TENSORS = ("weights*.safetensors", "saliency-*.safetensors", CHECKPOINT)


def repair(directory: Path, recipe: Recipe, thorough: bool = False) -> list[str]:
    """Set aside what is damaged. Returns a line for each file. thorough: weights and checkpoint too."""
    lines = []
    for damage in find_damages(directory, recipe, thorough):
        lines.append(put_aside(directory, damage))
    if trial_manifest.read(directory) is None:
        trial_manifest.write(directory, manifest_of(directory, recipe.key))
    if not (directory / "recipe.json").exists():
        trial_manifest.write_json(directory, "recipe.json", recipe.model_dump(mode="json"), recipe.key)
    return lines


@contextmanager
def directory_lock(directory: Path, wait: bool = True) -> Iterator[None]:
    """Make the directory and hold its lock; what else has one of their names is set aside.

    A worker that outlived its killed driver finishes its epoch first. Raises BlockingIOError unless `wait`, BadInput
    where there are no locks.
    """
    if directory.exists() and not directory.is_dir():
        set_aside(directory)
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / "lock").is_dir():
        set_aside(directory / "lock")
    with open(directory / "lock", "a", encoding="utf-8") as lock:
        lock_file(lock, 0 if wait else fcntl.LOCK_NB)
        yield


def put_aside(directory: Path, damage: Damaged) -> str:
    """Set the damaged file of a trial aside; returns a line that says so."""
    name = damage.path.relative_to(directory).as_posix()
    moved = ""
    if damage.path.exists() or damage.path.is_symlink():
        moved = f"; set aside as {set_aside(damage.path).name}"
    if name != trial_manifest.NAME:
        trial_manifest.forget(directory, name)
    return f"{damage}{moved}"


def find_damages(directory: Path, recipe: Recipe, thorough: bool) -> Iterator[Damaged]:
    """What has to be set aside. Each file is looked at after the ones before it were dealt with."""
    if (directory / "checkpoint").is_file():
        yield Damaged(directory / "checkpoint", "it is a file")
    yield from first_damage(trial_manifest.read, directory, recipe.key)
    adopt = trial_manifest.usable(directory, recipe.key) is None
    for load in trial_dir.LOADERS[1:]:
        yield from first_damage(load, directory, recipe.key)
    manifest = trial_manifest.usable(directory, recipe.key)
    for pattern in TENSORS:
        if pattern.startswith("saliency") or thorough or adopt:
            names = {path.relative_to(directory).as_posix() for path in directory.glob(pattern)}
            names |= set(fnmatch.filter(manifest.files, pattern)) if manifest else set()
            for name in sorted(names):
                check = check_tensors if adopt else trial_manifest.verified_bytes
                yield from first_damage(check, directory, name, recipe.key)
    if adopt:
        yield from first_damage(check_measurements, directory, recipe.key)


def first_damage(check, *arguments) -> Iterator[Damaged]:
    try:
        check(*arguments)
    except Damaged as damage:
        yield damage


def manifest_of(directory: Path, key: str) -> Manifest:
    """The manifest of a directory that an earlier version wrote, after its content was checked."""
    paths = [directory / name for name in SMALL] + [path for pattern in TENSORS for path in directory.glob(pattern)]
    files = {
        path.relative_to(directory).as_posix(): [trial_manifest.file_checksum(path)] for path in paths if path.is_file()
    }
    weights = {name: sums[0] for name, sums in files.items() if name.startswith("weights")}
    return Manifest(key, files, weights if "results.json" in files else {})


def check_tensors(directory: Path, name: str, key: str) -> None:
    """Raise Damaged unless the file is a whole safetensors file, and of this network where it names one."""
    path = directory / name
    content = read_file(path) or b""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        ends = [field["data_offsets"][1] for tensor, field in header.items() if tensor != "__metadata__"]
        if len(content) != 8 + size + max(ends):
            raise ValueError("its tensors are cut off")
        about = json.loads(header.get("__metadata__", {}).get("about", "{}"))
        owner = Recipe.model_validate(about["recipe"]).key if "recipe" in about else key
    except (RecursionError, *trial_dir.MALFORMED) as error:
        raise Damaged(path, f"it is no whole safetensors file ({trial_dir.describe(error)[:100]})") from None
    if owner != key:
        raise Damaged(path, f"it holds the weights of network {owner}")


def check_measurements(directory: Path, key: str) -> None:
    """Raise Damaged unless every measurement of results.json has its key, and a row of accuracy for each of its λ."""
    results = trial_dir.read_results(directory, key)
    path = directory / "results.json"
    for stored_key, entry in results.get("measurements", {}).items():
        try:
            measurement = Measurement.model_validate(entry["measurement"])
            actual_key = measurement.key
        except trial_dir.MALFORMED:  # of a plugin that is not loaded
            continue
        if actual_key != stored_key:
            raise Damaged(path, f"its measurement {stored_key[:16]} is of other settings")
        lambdas = tuple(row.get("lam") for row in entry["rows"])
        if measurement.probe == "accuracy" and lambdas != measurement.lambdas:
            raise Damaged(path, f"its measurement {stored_key[:16]} has rows of other λ")
