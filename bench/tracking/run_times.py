"""When a trial's MLflow run began and how long it took, from the trial's files: the same whenever it is indexed."""

import datetime


def start_time(rows: list[dict]) -> int | None:
    """When training began, in milliseconds since 1970; None where the rows of progress.jsonl do not say."""
    if not rows or "time" not in rows[0]:
        return None
    end_of_first_epoch = datetime.datetime.fromisoformat(rows[0]["time"]).timestamp()
    return round(1000 * (end_of_first_epoch - rows[0]["seconds"]))


def milliseconds_spent(results: dict, rows: list[dict]) -> int:
    """The time of training and measuring. results: of results.json, {} while there are none."""
    seconds = results["seconds"].values() if results else (row["seconds"] for row in rows)
    return round(1000 * sum(seconds))
