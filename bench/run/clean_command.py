"""The `clean` verb: delete what a runs directory no longer needs.

Finished work of a plan is never touched, nothing is deleted while a command holds the lock, and a trial at work in its
directory keeps that directory.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import trial_manifest
from bench.errors import BadInput, unknown
from bench.human_units import format_bytes
from bench.run.driver_lock import driver_lock
from bench.run.missing_work import has_sound_weights
from bench.run.next_command import next_command
from bench.run.repair import CHECKPOINT, directory_lock
from bench.run.status_command import planned_networks, state_of
from bench.stored_plans import read_plans

SET_ASIDE = re.compile(r".+\.damaged(-\d+)?")  # bench/damaged_files.py names files so
ASIDE, LEFTOVERS, CHECKPOINTS, LOGS, UNPLANNED = "set-aside", "half-written", "checkpoints", "ray-logs", "unplanned"
KINDS = {
    ASIDE: "damaged files that were set aside",
    LEFTOVERS: "half-written files of killed commands",
    CHECKPOINTS: "checkpoints of finished trials",
    LOGS: "Ray's logs",
    UNPLANNED: "trials of no plan",
}

BY_DEFAULT = [kind for kind in KINDS if kind != UNPLANNED]  # a plan with fewer seeds replaces that with more


@dataclass(frozen=True)
class Removable:
    """What can go of one kind. `trial`: the trial's directory that has to be locked before the path is deleted."""

    path: Path
    trial: Path | None = None


def clean(runs: Path, kinds: list[str], out: Console, ask: Callable[[str], bool]) -> None:
    """Print what can go and how much it frees, and delete each kind for which `ask`, given a question, returns True.

    kinds: some of KINDS; BY_DEFAULT if empty. Raises BadInput.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise BadInput(f"clean: {unknown('kind', kind, KINDS)}")
    if not (runs / "trials").is_dir() and not (runs / "plans").is_dir():
        raise BadInput(f"{runs}: is no runs directory: it has neither trials/ nor plans/")
    with driver_lock(runs):
        removable, reason = find_removable(runs)
        if reason and UNPLANNED in kinds:
            out.print(reason, soft_wrap=True)
        chosen = {kind: removable[kind] for kind in KINDS if kind in (kinds or BY_DEFAULT) and removable[kind]}
        if not chosen:
            out.print("nothing can go")
        for entries in chosen.values():
            for entry in entries:
                out.print(f"{entry.path.relative_to(runs)}  {format_bytes(size_of(entry.path))}", soft_wrap=True)
        for kind, entries in chosen.items():
            size = format_bytes(sum(size_of(entry.path) for entry in entries))
            if ask(f"delete {KINDS[kind]} ({kind}): {len(entries)}, which frees {size}?"):
                for line in filter(None, (delete(entry) for entry in entries)):
                    out.print(line, soft_wrap=True)
                if kind == UNPLANNED and (runs / "mlflow.db").exists():
                    out.print(f"MLflow forgets them when mlflow.db is deleted: {next_command('ingest', runs)}")


def find_removable(runs: Path) -> tuple[dict[str, list[Removable]], str]:
    """({kind: what can go}, why trials of no plan are kept, or ""). Call with the driver's lock held."""
    plans, damages = read_plans(runs)
    planned, reason = planned_networks(plans), ""
    trials = sorted(path for path in (runs / "trials").glob("*") if path.is_dir() and not is_set_aside(path))
    unplanned = [path for path in trials if path.name not in {network["key"] for network in planned}]
    if damages or any(is_set_aside(path) for path in (runs / "plans").glob("*")):
        reason = "trials of no plan are kept: a plan is damaged, and may have contained them"
    elif unplanned and not plans:
        reason = "all trials are kept: no plan is here that would say which are needed"
    unplanned = [] if reason else unplanned
    kept = [path for path in trials if path not in unplanned]
    entries_by_kind = {
        ASIDE: [Removable(path) for pattern in ("*", "plans/*", "trials/*") for path in runs.glob(pattern)],
        LEFTOVERS: [Removable(path) for pattern in ("plans/*.tmp", "oat-bench-*") for path in runs.glob(pattern)],
        CHECKPOINTS: list(finished_checkpoints(runs, planned)),
        LOGS: [Removable(path) for path in (runs / "ray-logs", runs / "ray") if path.exists()],
        UNPLANNED: [Removable(path, path) for path in unplanned],
    }
    for trial in kept:
        files = [*trial.glob("*"), *trial.glob("checkpoint/*")]
        entries_by_kind[ASIDE] += [Removable(path, trial) for path in files]
        entries_by_kind[LEFTOVERS] += [Removable(path, trial) for path in files if path.suffix == ".tmp"]
    entries_by_kind[ASIDE] = [entry for entry in entries_by_kind[ASIDE] if is_set_aside(entry.path)]
    return entries_by_kind, reason


def is_set_aside(path: Path) -> bool:
    return bool(SET_ASIDE.fullmatch(path.name))


def finished_checkpoints(runs: Path, planned: list[dict]) -> Iterator[Removable]:
    """The checkpoints of planned networks whose weights are sound and whose measurements are all made."""
    for network in planned:
        trial = runs / "trials" / network["key"]
        is_finished = state_of(trial, network["measurements"])["state"] == "finished"
        if (trial / "checkpoint").is_dir() and is_finished and has_sound_weights(trial.parent, trial.name):
            yield Removable(trial / "checkpoint", trial)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder. A link counts for itself."""
    paths = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(entry.lstat().st_size for entry in paths if entry.is_symlink() or entry.is_file())


def delete(entry: Removable) -> str | None:
    """Delete a path. Returns a line where it was kept because a trial is at work in its directory."""
    if entry.trial is None or entry.path == entry.trial and entry.trial.is_symlink():
        remove(entry.path)
        return None
    try:
        with directory_lock(entry.trial, wait=False):
            if entry.path.name == "checkpoint":
                trial_manifest.forget(entry.trial, CHECKPOINT)
            remove(entry.path)
    except BlockingIOError:
        return f"kept {entry.path}: a trial is running there"
    return None


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
