"""Every kind of damage to every kind of file: each verb goes on and names it, `run` sets it aside, no number is wrong.

The verbs run in this process, on a made-up runs directory. What `run` makes anew is tested in tests/run/test_trial.py.
"""

import io
import itertools
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.errors import BadInput
from bench.run import ingest_command, run_command
from bench.run.execution_plan import ExecutionPlan
from bench.run.plan_command import print_plan
from bench.run.show_command import print_trial
from bench.run.status_command import print_status
from bench.trial_dir import load_recipe, read_results, write_failure
from reports.load.panels import load_view
from reports.load.plans import read_plans
from tests.finished_runs import COST, request, write_finished, write_runs

DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "flipped bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "NUL bytes": lambda content: bytes(len(content)),
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "a list": lambda content: b"[]",
    "no fields": lambda content: b"{}",
    "null": lambda content: b"null",
    "other types": lambda content: b'{"key": 3, "files": [], "panels": 7, "reason": {}, "uri": NaN}',
    "too deep": lambda content: b'{"a":' * 100_000,
    "a surrogate": lambda content: b'{"reason": "\\ud800", "log": "\\ud800", "key": "\\ud800"}',
    "deleted": None,
    "a folder": None,
}
FILES = {
    "manifest.json": 0,
    "recipe.json": 0,
    "progress.jsonl": 0,
    "results.json": 0,
    "weights.safetensors": 0,
    "saliency": 0,
    "mlflow.json": 0,
    "failure.json": 1,
    "checkpoint/state.safetensors": 1,
    "plans/first": None,
    "plans/second": None,
    "machine.json": None,
    "id": None,
}
# Damaged at once, in each kind of way: a file of the finished network, one of the other, and one beside the networks.
TOGETHER = list(
    zip(
        [name for name in FILES if FILES[name] == 0],
        itertools.cycle(name for name in FILES if FILES[name] == 1),
        itertools.cycle(name for name in FILES if FILES[name] is None),
        strict=False,
    )
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(folder with the runs directory, keys of its finished and its half trained network, points of its figure)."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as monkeypatch:
        runs = write_runs(folder, monkeypatch)
    plan = ExecutionPlan.of(request(folder))
    keys = [trial.key for trial in plan.trials]
    write_failure(runs / "trials" / keys[1], "the disk was full", "error.log")
    return folder, keys, drawn_points(runs), plan


@pytest.fixture
def folder(whole, tmp_path, monkeypatch):
    """A copy of the whole folder. Its plan is made from the one above: to expand a suite takes most of the time."""
    shutil.copytree(whole[0], tmp_path / "copy")
    monkeypatch.setattr(ExecutionPlan, "of", lambda request: replace(whole[3], request=request))
    return tmp_path / "copy"


def path_of(name: str, folder: Path, keys: list[str]) -> Path:
    runs = folder / "runs"
    if name.startswith("plans/"):
        return next((runs / "plans").glob(f"{Path(name).name}-*.json"))
    if FILES[name] is None:
        return runs / name
    directory = runs / "trials" / keys[FILES[name]]
    return next(directory.glob("saliency-*")) if name == "saliency" else directory / name


def do_damage(path: Path, damage: str) -> bytes | None:
    """Damage the file; returns what is there now."""
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
        (path / "inside").write_bytes(content)
    elif damage != "deleted":
        path.write_bytes(DAMAGES[damage](content))
        assert path.read_bytes() != content
        return path.read_bytes()
    return None


def drawn_points(runs: Path) -> set[tuple]:
    """What the report draws."""
    plans, _ = read_plans(runs)
    if not plans:
        return set()
    view = load_view(plans, runs, "fig4", "smoke", {"attack": ["pgd7"]})
    return set(view.points[["key", "lam", "clean_correct", "robust_correct", "n"]].itertuples(index=False, name=None))


def printed_by_all_verbs(folder: Path, keys: list[str], monkeypatch) -> str:
    """What plan, status, show and ingest print."""
    runs, out = folder / "runs", Console(file=io.StringIO(), width=400)
    monkeypatch.setattr("bench.run.plan_command.Console", lambda **_: out)
    print_plan(request(folder), False, out)
    print_status(runs, out)
    for key in keys:
        try:
            print_trial(key, runs, out)
        except BadInput as error:
            out.print(str(error))
    ingest_command.ingest(runs, out)
    return out.file.getvalue()


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    replace_slow_parts(monkeypatch)


def replace_slow_parts(monkeypatch) -> None:
    """In place of MLflow, a store that reads what the real one reads; in place of timing, a constant."""

    class Writer:
        def __init__(self, runs, repair=False):
            self.runs, self.set_aside = runs, None

        def close_abandoned_runs(self):
            pass

        def index_trial(self, recipe, tags):
            directory = self.runs / "trials" / recipe.key
            assert load_recipe(directory, recipe.key) == recipe
            read_results(directory, recipe.key)

        def complete(self, plans):
            pass

    monkeypatch.setitem(sys.modules, "bench.tracking.mlflow_writer", SimpleNamespace(MlflowWriter=Writer))
    monkeypatch.setattr("bench.run.image_pass_timing.time_image_pass", lambda *_: 1e-5)
    monkeypatch.setattr("bench.measures.cost.cost", lambda *_: COST)
    monkeypatch.setattr("bench.measures.cost.parameter_count", lambda *_: COST.parameters)


def repaired(folder: Path) -> tuple[str, list[str]]:
    """What `run` prints before it starts, and the keys of the networks that it then trains or measures."""
    out = Console(file=io.StringIO(), width=400)
    plan = ExecutionPlan.of(request(folder))
    run_command.repair_trials(plan, out)
    return out.file.getvalue(), [trial.key for trial in plan.remaining]


def all_files(runs: Path) -> dict[str, bytes]:
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("names", TOGETHER, ids=" ".join)
def test_damage_is_named_set_aside_and_draws_no_wrong_number(names, damage, whole, folder, monkeypatch):
    _, keys, points, _ = whole
    paths, runs = {name: path_of(name, folder, keys) for name in names}, folder / "runs"
    contents = {name: do_damage(path, damage) for name, path in paths.items()}
    printed = printed_by_all_verbs(folder, keys, monkeypatch)
    assert drawn_points(runs) == (set() if "results.json" in names else points)
    before = all_files(runs)
    lines, remaining = repaired(folder)
    for name, path in paths.items():
        checked_when_used = name in ("weights.safetensors", "id")
        harmless = damage == "deleted" or (name, damage) == ("machine.json", "no fields")
        if not harmless and not checked_when_used:
            assert f"{path} is damaged: " in printed + lines
        if damage != "deleted" and FILES[name] is not None and name != "weights.safetensors":
            if damage == "a folder":
                assert (path.parent / f"{path.name}.damaged" / "inside").is_file()
            else:
                assert path.with_name(f"{path.name}.damaged").read_bytes() == contents[name]
    damaged = {"manifest.json"} | {path.name for path in paths.values()}
    kept = {file: text for file, text in before.items() if not damaged & set(file.split("/"))}
    assert kept.items() <= all_files(runs).items()  # nothing else has changed
    measured_again = {"saliency", "results.json"} & set(names)
    assert sorted(remaining) == sorted(keys if measured_again else keys[1:])
    beside = {str(path) for name, path in paths.items() if FILES[name] is None}
    assert {str(damage.path) for damage in ExecutionPlan.of(request(folder)).damages} <= beside
    assert repaired(folder)[1] == remaining


@pytest.mark.parametrize("name", [name for name in FILES if FILES[name] == 0])
def test_a_file_of_another_network_is_noticed(name, whole, folder, monkeypatch):
    """Both networks are finished; each file of the first is replaced by the second's."""
    keys = whole[1]
    runs = folder / "runs"
    plan = ExecutionPlan.of(request(folder))
    shutil.rmtree(plan.directory(plan.trials[1]))
    write_finished(plan.directory(plan.trials[1]), plan.trials[1])
    points = drawn_points(runs)
    path = path_of(name, folder, keys)
    other = next((runs / "trials" / keys[1]).glob("saliency-*" if name == "saliency" else name))
    path.write_bytes(other.read_bytes())
    printed = printed_by_all_verbs(folder, keys, monkeypatch)
    assert drawn_points(runs) < points if name == "results.json" else drawn_points(runs) == points
    lines, remaining = repaired(folder)
    if name == "weights.safetensors":  # finished, so that they are not used
        assert remaining == []
        return
    assert f"{path} is damaged: " in printed and f"{path} is damaged: " in lines
    assert remaining == (keys[:1] if name in ("results.json", "saliency") else [])
