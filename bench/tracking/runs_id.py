"""The id of a runs directory, which tells its MLflow runs from others' in a shared store."""

import re
import uuid
from pathlib import Path

from bench.damaged_files import Damaged, read_file, set_aside
from bench.tracking.mlflow_run_record import read_index_record

RUNS_ID = re.compile(rb"[0-9a-f]{12}\n?")


def read_runs_id(runs: Path) -> str:
    """The id of the runs directory, created if need be: in a shared store it tells our runs from others'.

    It lies in the directory, so that it stays the same when the directory moves. A damaged file is set aside, and the
    id taken from the records of indexed trials.
    """
    path = runs / "id"
    try:
        content = read_file(path)
        if content is not None and not RUNS_ID.fullmatch(content):
            raise Damaged(path, "it holds no id")
    except Damaged as damage:
        set_aside(damage.path)
        content = None
    if content is None:
        records = (read_index_record(directory) for directory in sorted(runs.glob("trials/*")))
        known = (record["runs_id"] for record in records if isinstance(record.get("runs_id"), str))
        content = (next(known, None) or uuid.uuid4().hex[:12]).encode() + b"\n"
        path.write_bytes(content)
    return content.decode().strip()
