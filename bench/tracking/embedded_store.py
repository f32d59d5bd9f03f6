"""The embedded MLflow store, an SQLite file: made whole or not at all, and set aside when it cannot be opened."""

import datetime
import os
import secrets
import sqlite3
from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, event

# SQLite's errors that say nothing about the file's content: no reason to set a store aside.
NOT_DAMAGE = {"BUSY", "LOCKED", "PROTOCOL", "FULL", "READONLY", "CANTOPEN", "PERM", "IOERR", "NOMEM", "INTERRUPT"}
SIDE_FILES = ("-journal", "-wal", "-shm")


def create(path: Path) -> None:
    """Make an empty store. MLflow takes seconds, so it writes to another name: a kill leaves no half-made store."""
    for leftover in path.parent.glob(f"{path.stem}.*.tmp*"):  # of a killed command
        leftover.unlink(missing_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    event.listen(Engine, "connect", do_not_sync)
    try:
        MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)
    finally:
        event.remove(Engine, "connect", do_not_sync)
    close(temporary)
    with sqlite3.connect(temporary) as database:
        database.execute(f"PRAGMA user_version = {1 + secrets.randbelow(2**31 - 1)}")
    database.close()
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def do_not_sync(connection: sqlite3.Connection, _) -> None:
    """Let SQLite not wait for the disk at each of MLflow's 60 migrations: a new store is synced once, as a whole."""
    connection.execute("PRAGMA synchronous = OFF")


def check(path: Path) -> None:
    """Raise sqlite3.Error where the file is no sound SQLite database."""
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)
    try:
        (problem,) = database.execute("PRAGMA quick_check(1)").fetchone()
    finally:
        database.close()
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)


def is_damage(error: BaseException | None) -> bool:
    """Whether an error of opening a store comes from the file's content, not from a lock, the disk or permissions."""
    while error is not None:
        name = getattr(error, "sqlite_errorname", "")
        if isinstance(error, OSError) or name.removeprefix("SQLITE_").partition("_")[0] in NOT_DAMAGE:
            return False
        error = error.__cause__ or error.__context__
    return True


def set_aside(path: Path) -> Path:
    """Rename the store, with SQLite's side files. Returns its new path."""
    time = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S-%f")
    aside = path.with_name(f"{path.name}.unreadable-{time}")
    close(path)
    for suffix in ("", *SIDE_FILES):
        if (side_file := path.with_name(path.name + suffix)).exists():
            os.replace(side_file, f"{aside}{suffix}")
    return aside


def close(path: Path) -> None:
    """Close MLflow's connections to a store, which it would use again for another file of this name."""
    engine = SqlAlchemyStore._engine_map.pop(f"sqlite:///{path}", None)
    if engine:
        engine.dispose()
