"""Decide whether a figure must be drawn again: drawing takes seconds, and a report of the same runs should not."""

import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from bench.damaged_files import Damaged, read_sealed
from reports.load.panels import View
from reports.plots.style_options import PAPER, Look

SOURCES = Path(__file__).parents[1]


def digest(view: View, look: Look = PAPER) -> str:
    """Hash of everything that a figure is drawn from: the view, the files that its rows name, look and code."""
    sha = hashlib.sha256(code_digest().encode() + repr(look).encode())
    sha.update(json.dumps([view.figure, view.scale]).encode())
    sha.update(json.dumps([plan["panels"] for plan in view.plans], sort_keys=True).encode())
    for panel in view.panels:
        texts = [panel.title, panel.subtitle, panel.experiment, panel.overrides]
        sha.update(json.dumps(texts, sort_keys=True).encode())
        sha.update(panel.points.to_csv(index=False).encode())
        sha.update(panel.trials.to_json(orient="records", default_handler=str).encode())
        for row in panel.probes:
            measured = {name: value for name, value in row.items() if name != "folder"}  # the files in it count, below
            sha.update(json.dumps(measured, sort_keys=True, default=str).encode())
            if "file" in row:
                sha.update(file_digest(Path(row["folder"]) / row["file"]))
    return sha.hexdigest()[:16]


def file_digest(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b"absent"


@functools.cache
def code_digest() -> str:
    """Hash of matplotlib's version and of all code and numbers under reports/ that can change a picture."""
    sha = hashlib.sha256(version("matplotlib").encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in (".py", ".yaml", ".mplstyle"):
            sha.update(path.relative_to(SOURCES).as_posix().encode() + path.read_bytes())
    return sha.hexdigest()


def read_unchanged(page: Path, images: list[Path], drawn_from: str) -> dict | None:
    """Content of a figure's JSON file if it has this digest and all images exist; otherwise None."""
    try:
        content = read_sealed(page) or {}
    except Damaged:
        return None
    same = content.get("drawn_from") == drawn_from
    return content if same and all(path.is_file() and path.stat().st_size for path in images) else None
