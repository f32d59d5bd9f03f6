"""Whether a figure must be drawn again. Drawing takes seconds a figure; a report of the same runs should not."""

import functools
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from reports.load.results import View

SOURCES = Path(__file__).parents[1]


def digest(view: View) -> str:
    """Of all that a figure is drawn from: the view's numbers, the files that its rows name, and the drawing code."""
    found = hashlib.sha256(code().encode())
    found.update(json.dumps([view.figure, view.scale]).encode())
    found.update(json.dumps([plan["panels"] for plan in view.plans], sort_keys=True).encode())
    for panel in view.panels:
        about = [panel.title, panel.subtitle, panel.experiment, panel.overrides]
        found.update(json.dumps(about, sort_keys=True).encode())
        found.update(panel.points.to_csv(index=False).encode())
        found.update(panel.trials.to_json(orient="records", default_handler=str).encode())
        for row in panel.probes:
            found.update(json.dumps(row, sort_keys=True, default=str).encode())
            if "file" in row:
                found.update(content(Path(row["folder"]) / row["file"]))
    return found.hexdigest()[:16]


def content(path: Path) -> bytes:
    """A hash, or nothing where the file is not there."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b"absent"


@functools.cache
def code() -> str:
    """Of everything under reports/ that can change a picture, and of what draws it."""
    found = hashlib.sha256(version("matplotlib").encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in (".py", ".yaml"):
            found.update(path.relative_to(SOURCES).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def unchanged(page: Path, images: list[Path], drawn_from: str) -> dict | None:
    """What the figure's JSON file says, where it and its images are of this digest; else None."""
    try:
        known = json.loads(page.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    same = isinstance(known, dict) and known.get("drawn_from") == drawn_from
    return known if same and all(path.is_file() and path.stat().st_size for path in images) else None
