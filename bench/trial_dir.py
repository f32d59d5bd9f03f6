"""The files of a trial's directory `runs/trials/<key>/`, and the one reader of each small one.

The directory is the only record of a trial; MLflow's index and all reports are derived from it:
  manifest.json        the key, and the checksums of the files below (bench/trial_manifest.py)
  recipe.json          the recipe
  progress.jsonl       a row per finished epoch
  checkpoint/          the state after the last finished epoch, while training
  weights.safetensors  the selected network
  saliency-….safetensors  maps and alignments of a saliency measurement
  results.json         counts per λ (or a probe's rows) of each measurement, held-out score, times, MACs, provenance
  failure.json         why the trial failed, if it did; carries its own checksum
  mlflow.json          its run in MLflow (bench/tracking/mlflow_run_record.py); carries its own checksum
  ….damaged            a file that was set aside

A `load_` function returns a file's content, or None where there is no file, and raises Damaged; a `read_` function
takes a damaged file as absent, and `damaged_files` lists what is damaged.

Imports no torch, so that verbs that only read trials (`plan`, `status`, `report`) start quickly.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import trial_manifest
from bench.damaged_files import Damaged, parse_object, read_sealed, write_sealed
from bench.measures import result_schema
from bench.spec.recipe import Recipe

MALFORMED = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError)  # raised by a value of another shape


def load_recipe(directory: Path, key: str | None = None) -> Recipe | None:
    """recipe.json, whose content must have the key."""
    path, content = directory / "recipe.json", trial_manifest.verified_bytes(directory, "recipe.json", key)
    if content is None:
        return None
    fields = parse_object(path, content)
    try:
        recipe = Recipe.model_validate(fields)
    except ValueError:
        raise Damaged(path, "it is not a recipe of this version") from None
    if key and recipe.key != key:
        raise Damaged(path, f"it is the recipe of network {recipe.key}")
    return recipe


def load_results(directory: Path, key: str | None = None) -> dict | None:
    """results.json. Measurements whose maps (saliency) are gone or damaged are left out.

    Rows are checked where there is no manifest; those of a file that has its checksum are as they were written.
    """
    path, content = directory / "results.json", trial_manifest.verified_bytes(directory, "results.json", key)
    if content is None:
        return None
    results, manifest = parse_object(path, content), trial_manifest.usable(directory, key)
    try:
        result_schema.check_facts(results)
        if manifest is None:
            for entry in results["measurements"].values():
                result_schema.parse(entry)
    except MALFORMED as error:
        raise Damaged(path, f"it has not the fields of results ({describe(error)})") from None
    if results["key"] != (key or trial_manifest.own_key(directory)):
        raise Damaged(path, f"it holds the results of network {results['key'][:16]}")
    if manifest:
        if manifest.is_of_other_weights():
            raise Damaged(path, "it was measured on other weights than the present ones")
        for measurement, entry in list(results["measurements"].items()):
            names = {row["file"] for row in entry["rows"] if isinstance(row.get("file"), str)}
            if not all(is_sound(directory, name, key) for name in names):
                del results["measurements"][measurement]
    return results


def load_progress(directory: Path, key: str | None = None) -> list[dict] | None:
    """The rows of progress.jsonl."""
    path, content = directory / "progress.jsonl", trial_manifest.verified_bytes(directory, "progress.jsonl", key)
    if content is None:
        return None
    rows, intact = progress_rows(content)
    if not intact:
        raise Damaged(path, f"only {len(rows)} of its rows can be read")
    return rows


def progress_rows(content: bytes) -> tuple[list[dict], bool]:
    """The rows up to the first damaged one, and whether these are all."""
    rows: list[dict] = []
    try:
        for line in content.decode("utf-8").splitlines():
            row = json.loads(line)
            numbers = [row[name] for name in ("epoch", "epochs", "seconds")]
            if not all(is_number(value) and value >= 0 for value in numbers) or row["epoch"] <= last_epoch(rows):
                return rows, False
            rows.append(row)
    except (RecursionError, *MALFORMED):
        return rows, False
    return rows, bool(rows)


def last_epoch(rows: list[dict]) -> int:
    return rows[-1]["epoch"] if rows else 0


def load_failure(directory: Path, key: str | None = None) -> dict | None:
    """failure.json: {"reason", "log"}; `log` names the file in the directory that has the details."""
    path = directory / "failure.json"
    content = read_sealed(path)
    if content is None:
        return None
    if not all(isinstance(content.get(name), str) for name in ("reason", "log")):
        raise Damaged(path, "it has not the fields of a failure")
    require_key(path, content, key)
    return content


def write_failure(directory: Path, reason: str, log: str) -> None:
    """Write failure.json. `log` names the file in the directory that has the details."""
    directory.mkdir(parents=True, exist_ok=True)
    failure = {"reason": reason, "log": log, "key": trial_manifest.own_key(directory)}
    write_sealed(directory / "failure.json", failure)


def load_index_record(directory: Path, key: str | None = None) -> dict | None:
    """mlflow.json: {"uri", "experiment_id", "run_id", "measurements", "tags"}."""
    path = directory / "mlflow.json"
    record = read_sealed(path)
    if record is None:
        return None
    try:
        texts = [record["uri"], record["experiment_id"], record["run_id"], *record["measurements"]]
        valid = all(isinstance(text, str) for text in (*texts, *record["tags"].values()))
    except MALFORMED:
        valid = False
    if not valid:
        raise Damaged(path, "it has not the fields of a record of MLflow's index")
    require_key(path, record, key)
    return record


def require_key(path: Path, content: dict, key: str | None) -> None:
    """Raise Damaged where the file names another network. Files of earlier versions name none."""
    if content.get("key", key) != key and key:
        raise Damaged(path, f"it is of network {str(content['key'])[:16]}")


LOADERS = (trial_manifest.read, load_recipe, load_results, load_progress, load_failure, load_index_record)


def damaged_files(directory: Path, key: str) -> Iterator[Damaged]:
    """The damaged files among the small ones of a trial, each once. Weights and checkpoints are checked when used."""
    seen = set()
    for load in LOADERS:
        try:
            load(directory, key)
        except Damaged as damage:
            if damage.path not in seen:
                seen.add(damage.path)
                yield damage
    for path in sorted(directory.glob("saliency-*.safetensors")):
        try:
            trial_manifest.verified_bytes(directory, path.name, key)
        except Damaged as damage:
            if damage.path not in seen:
                seen.add(damage.path)
                yield damage


def is_sound(directory: Path, name: str, key: str | None = None) -> bool:
    """Whether the file exists and has its checksum."""
    try:
        return trial_manifest.verified_bytes(directory, name, key) is not None
    except Damaged:
        return False


def undamaged(load: Callable, *arguments):
    """What a load function returns, or None where the file is damaged."""
    try:
        return load(*arguments)
    except Damaged:
        return None


def read_results(directory: Path, key: str | None = None) -> dict:
    """results.json, or {} where it is absent or damaged."""
    return undamaged(load_results, directory, key) or {}


def read_progress(directory: Path, key: str | None = None) -> list[dict]:
    """The rows of progress.jsonl; none where it is absent or damaged."""
    return undamaged(load_progress, directory, key) or []


def read_failure(directory: Path, key: str | None = None) -> str | None:
    """Why the trial failed, or None."""
    return (undamaged(load_failure, directory, key) or {}).get("reason")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def describe(error: Exception) -> str:
    """The first line of an error, with its type where the text alone says little."""
    text = (str(error).splitlines() or [""])[0]
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"[:200]
