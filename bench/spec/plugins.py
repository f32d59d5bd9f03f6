"""Plugins: Python files outside the repository that register methods, attacks, probes, norms, backbones and figures.

A plugin is loaded before suites are read, in the driver and in every worker. Its SHA-256 goes into the provenance of
each trial that ran with it.
"""

import hashlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from bench.errors import BadInput
from bench.spec.registry import TABLES
from bench.spec.strict_yaml import shown

LOADED: dict[Path, str] = {}  # absolute path → SHA-256 of the content that was run


def load_plugins(paths: Iterable[Path | str]) -> None:
    """Run each file once in this process. Raises BadInput, with file and line, where a plugin cannot be loaded."""
    for path in paths:
        path = Path(path).resolve()
        if path not in LOADED:
            LOADED[path] = run_plugin(path)


def run_plugin(path: Path) -> str:
    """Run one file as the module `bench_plugin_<name>` and return its SHA-256. A failure leaves the registry as it
    was."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BadInput(f"--plugin {shown(path)}: cannot be read: {error.strerror}") from None
    name = f"bench_plugin_{path.stem}"
    if name in sys.modules:
        raise BadInput(f"--plugin {shown(path)}: another plugin has the name {path.name}")
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = str(path)
    tables = {kind: dict(table) for kind, table in TABLES.items()}
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        for kind, table in TABLES.items():
            table.clear()
            table.update(tables[kind])
        raise BadInput(f"{shown(path)}:{failing_line(error, path)}: {one_line(error)}") from None
    return hashlib.sha256(source).hexdigest()


def failing_line(error: BaseException, path: Path) -> int:
    """The line of the file at which an exception was raised, or from which the failing call was made."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] if lines else 1


def one_line(error: BaseException) -> str:
    """The first line of an exception's message, with its type unless it is a ValueError, as `register` raises."""
    text = next(iter(str(error).splitlines()), "")
    return text if type(error) is ValueError and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def plugin_provenance() -> dict[str, dict[str, str]]:
    """{"plugins": {file name: SHA-256}} of the plugins loaded in this process, {} without any."""
    return {"plugins": {path.name: digest for path, digest in LOADED.items()}} if LOADED else {}
