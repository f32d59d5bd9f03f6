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
    content = [code_digest(), repr(look), view.figure, view.scale, [plan["panels"] for plan in view.plans]]
    for panel in view.panels:
        content += [panel.title, panel.subtitle, panel.experiment, panel.overrides, panel.points.to_csv(index=False)]
        content += [panel.trials.to_json(orient="records", default_handler=str)]
        for row in panel.probes:
            drawn_file = file_digest(row["folder"] / row["file"]) if "file" in row else None
            content.append(row | {"folder": drawn_file})  # what is in it counts, not where it lies
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "absent"


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
