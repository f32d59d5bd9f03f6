"""Imports between the folders of reports/ run downward only, and reports imports no part of bench/run."""

import ast
from pathlib import Path

REPORTS = Path(__file__).parents[2] / "reports"
ORDER = [
    "load",
    "statistics",
    "plots",
    "figures",
    "claims",
    "page",
    "build.py",
    "export.py",
    "compare.py",
    "answers.py",
    "oat_or_not.py",
]  # lowest first


def imported(path: Path) -> set[str]:
    """Folders and top-level files of reports/ that a file imports from, also inside functions."""
    folders = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "reports":
            parts = [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
            folders |= {part if (REPORTS / part).is_dir() else f"{part}.py" for part in parts}
    return folders


def test_imports_between_the_folders_run_downward():
    paths = [path for path in REPORTS.rglob("*.py") if path != REPORTS / "__init__.py"]
    assert {path.relative_to(REPORTS).parts[0] for path in paths} == set(ORDER)
    for path in paths:
        place = ORDER.index(path.relative_to(REPORTS).parts[0])
        upward = {folder for folder in imported(path) if ORDER.index(folder) > place}
        assert not upward, f"{path.relative_to(REPORTS)} imports from {sorted(upward)}"


def test_reports_imports_no_part_of_bench_run():
    assert not [path for path in REPORTS.rglob("*.py") if "bench.run" in path.read_text("utf-8")]
