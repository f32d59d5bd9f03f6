"""`mlflow.json` in a trial's directory: which MLflow run indexes the trial, and what that run already holds.

Imports no MLflow, so that a rerun with nothing to do is quick.
"""

from pathlib import Path

from bench.damaged_files import write_sealed
from bench.tracking.run_tags import LAYOUT
from bench.tracking.store_address import portable_uri, store_uri
from bench.trial_dir import load_index_record, read_results, undamaged

EMBEDDED_URI = "sqlite:///RUNS/mlflow.db"  # as the record stores it
STORE_ID_OFFSET = 60  # of SQLite's user_version, 4 bytes in the file's header
VOLATILE_TAGS = {"command", "mlflow.source.git.commit"}  # change with every command, which is no reason to index again


def is_indexed(runs: Path, key: str, tags: dict[str, str]) -> bool:
    """Whether the MLflow run of a trial holds all its measurements and these tags, in this version's layout."""
    directory, uri = runs / "trials" / key, portable_uri(store_uri(runs), runs)
    record = read_index_record(directory)
    if record.get("layout") != LAYOUT or record["uri"] != uri or stable_tags(record["tags"]) != stable_tags(tags):
        return False
    if uri == EMBEDDED_URI and record.get("store", 0) != embedded_store_id(runs):
        return False
    return set(read_results(directory, key).get("measurements", {})) <= set(record["measurements"])


def embedded_store_id(runs: Path) -> int | None:
    """The number that a store was given when it was made, 0 for stores of earlier versions, None without a store.

    It tells a store that was made again, and knows no trial yet, from the one that a record was written for.
    """
    try:
        with open(runs / "mlflow.db", "rb") as file:
            file.seek(STORE_ID_OFFSET)
            return int.from_bytes(file.read(4), "big")
    except OSError:
        return None


def stable_tags(tags: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name not in VOLATILE_TAGS}


def read_index_record(directory: Path) -> dict:
    """The fields of `load_index_record`, or {} where there is no record or it is damaged."""
    return undamaged(load_index_record, directory, directory.name) or {}


def write_index_record(directory: Path, record: dict) -> None:
    write_sealed(directory / "mlflow.json", record | {"key": directory.name})
