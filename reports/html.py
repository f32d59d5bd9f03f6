"""The page: every figure that lies in a directory, with where it came from."""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.figures import FIGURES

TEMPLATES = Path(__file__).with_name("templates")


def write_index(out: Path) -> Path:
    """Write index.html from the JSON files beside it, so that figures built earlier stay on it."""
    pages = [
        json.loads(path.read_text("utf-8")) for path in (out / f"{name}.json" for name in FIGURES) if path.exists()
    ]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    index = out / "index.html"
    index.write_text(environment.get_template("index.html.j2").render(figures=pages), "utf-8")
    return index
