"""Imports between the folders of bench/ run downward only, and each heavy package is imported by one folder."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.command import ROOT

BENCH = ROOT / "bench"
ORDER = (  # lowest first; a file imports from its own place and from those before it
    *("__init__.py", "errors.py", "human_units.py", "atomic_write.py", "interruption.py", "damaged_files.py"),
    *("disk_full.py", "process_setup.py"),
    *("stored_plans.py", "trial_manifest.py", "find_trial.py"),
    *(
        "data",
        "spec",
        "models",
        "authors_checkpoint.py",
        "engines",
        "attacks",
        "measures",
        "trial_dir.py",
        "archive.py",
        "training",
        "trained_network.py",
        "tracking",
        "run",
        "speed",
    ),
    *("command_line.py", "completion.py", "cli_options.py", "cli_data.py", "cli_files.py", "cli_models.py"),
    *("cli_results.py", "cli_sharing.py", "cli.py"),
    "__main__.py",
)
FACADE = "__init__.py", "trained_network.py"  # bench.load
CLI = {"cli.py", *(f"cli_{name}.py" for name in ("options", "data", "files", "models", "results", "sharing"))}
ONLY_IMPORTED_BY = {"ray": {"run"}, "mlflow": {"tracking"}, "typer": CLI}
FILES = sorted(BENCH.rglob("*.py"))


@cache
def imported_modules(path: Path) -> set[str]:
    """Every module or name that a file imports, as a dotted path, also inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def place(module: str) -> str | None:
    """The folder or top-level file of bench/ that defines a dotted name; None outside bench/."""
    package, *parts = module.split(".")
    if package != "bench":
        return None
    if parts and (BENCH / parts[0]).is_dir():
        return parts[0]
    return f"{parts[0]}.py" if parts and (BENCH / f"{parts[0]}.py").exists() else "__init__.py"


def test_every_folder_has_its_place():
    assert {path.relative_to(BENCH).parts[0] for path in FILES} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCH)))
def test_imports_run_downward(path):
    own_place = path.relative_to(BENCH).parts[0]
    places = {place(module) for module in imported_modules(path)} - {None}
    upward = {other for other in places if ORDER.index(other) > ORDER.index(own_place)}
    upward -= {other for other in upward if (own_place, other) == FACADE}
    assert not upward, f"{path.relative_to(ROOT)} imports from {sorted(upward)}"


@pytest.mark.parametrize("package", ONLY_IMPORTED_BY)
def test_few_places_know_the_package(package):
    importers = {
        path.relative_to(BENCH).parts[0]
        for path in FILES
        if any(module.split(".")[0] == package for module in imported_modules(path))
    }
    assert importers == ONLY_IMPORTED_BY[package]
