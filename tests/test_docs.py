"""README.md, CONTRIBUTING.md and docs/ name only paths, modules, make targets, commands and variables that exist."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from bench.cli import app
from tests.command import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(path for folder in (".", "guides", "reference") for path in (ROOT / "docs" / folder).glob("*.md")),
    ROOT / "docs" / "results" / "README.md",
]
EXAMPLES = {"suites/mine.yaml"}  # files that a reader of docs/extending.md creates
EXAMPLE_FILE = re.compile(r"^# (\w+\.py)$", re.MULTILINE)  # the first line of a file that a page shows
PATH = re.compile(r"(?<![\w./@-])(?:bench|reports|suites|tests|docs)/[\w./*-]*[\w*/]")
MODULE = re.compile(r"(?<![\w./-])(?:bench|reports|tests)(?:\.[a-z_]\w*)+(?:[.:]\w+)?")
SOURCE_FILE = re.compile(r"`([a-z_/]+\.(?:py|h|c))`")


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def page(request) -> Path:
    return request.param


def code(page: Path) -> list[str]:
    """The lines of a page's code blocks, and its code spans."""
    parts = page.read_text("utf-8").split("```")
    blocks, prose = parts[1::2], parts[::2]
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`]+)`", "".join(prose))


@cache
def source_files() -> list[str]:
    folders = [ROOT / name for name in ("bench", "reports", "tests", "docs/site")]
    return [str(path) for folder in folders for path in folder.rglob("*.*")]


@cache
def names_in(module: Path) -> set[str]:
    """The names that a module defines, assigns or imports, read without running it."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def exists(dotted: str) -> bool:
    """Whether `package.module`, `package.module.name` or `package.module:name` exists."""
    *parents, last = re.split("[.:]", dotted)
    path, parent = ROOT.joinpath(*parents, last), ROOT.joinpath(*parents)
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module = parent / "__init__.py" if parent.is_dir() else parent.with_suffix(".py")
    return module.is_file() and last in names_in(module)


def test_paths_exist(page):
    text = page.read_text("utf-8").replace("docs/results/SCALE", "docs/results")
    text = re.sub(r"`[^`\n]+` of commit", "", text)  # a file that was removed since
    paths = {path for path in PATH.findall(text) if path not in EXAMPLES}
    assert not [path for path in paths if not any(ROOT.glob(path.rstrip("/")))]
    names = set(SOURCE_FILE.findall(text)) - set(EXAMPLE_FILE.findall(text))
    assert not [name for name in names if not any(path.endswith("/" + name) for path in source_files())]


def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_modules_exist(page):
    text = page.read_text("utf-8")
    imports = re.findall(r"^from ((?:bench|reports)[\w.]*) import ([\w, ]+)$", text, re.MULTILINE)
    dotted = {f"{module}.{name.strip()}" for module, names in imports for name in names.split(",")}
    assert not [name for name in dotted | set(MODULE.findall(text)) if not exists(name)]


def test_make_targets_exist(page):
    targets = {target for line in code(page) for target in re.findall(r"(?:^|\s)make ([a-z][\w-]*)", line)}
    targets = {target.replace("figN", "fig4") for target in targets}
    done = subprocess.run(["make", "-n", "help", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def commands() -> dict[str, set[str]]:
    """Command, such as `run` or `data fetch` → its options."""
    result = {}
    for name, command in typer.main.get_command(app).commands.items():
        subcommands = getattr(command, "commands", None)
        for subname, each in subcommands.items() if subcommands else [("", command)]:
            result[f"{name} {subname}".strip()] = {"--help"} | {option for p in each.params for option in p.opts}
    return result


def test_commands_and_their_options_exist(page):
    known = commands()
    for line in code(page):
        for name, rest in re.findall(r"(?:python -m bench|oat-bench) ((?:data )?[a-z][a-z-]*)([^#|]*)", line):
            assert name in known, line
            assert set(re.findall(r"--[a-z-]+", rest)) <= known[name], line


def test_experiments_exist(page):
    for line in code(page):
        for suite in re.findall(r"suites/[\w/]+\.yaml", line) if "--only" in line else ():
            experiments = yaml.safe_load((ROOT / suite).read_text("utf-8"))["experiments"]
            assert set(re.findall(r"--only ([\w]+)", line)) <= experiments.keys(), line


def test_environment_variables_are_read_by_the_code(page):
    source = "".join(path.read_text("utf-8") for path in (ROOT / "bench").rglob("*.py"))
    assert not [name for name in set(re.findall(r"BENCH_[A-Z]+", page.read_text("utf-8"))) if name not in source]


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "results").glob("*/index.html")), ids=lambda p: p.parent.name)
def test_committed_reports_link_to_no_server_of_one_machine(path):
    """Reports from an archive do not; those of a runs directory link to its MLflow pages."""
    assert not re.findall(r'"https?://(?:127|localhost)[^"]*', path.read_text("utf-8"))
    assert not any('"http://127' in file.read_text("utf-8") for file in path.parent.glob("*.json"))
