"""The page, for a browser and for a repository: every figure of a directory, with where it came from."""

import json
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.figures import FIGURES

TEMPLATES = Path(__file__).with_name("templates")


def write_pages(out: Path) -> list[Path]:
    """Write index.html and README.md from the JSON files beside them, so that figures built earlier stay on them."""
    found = (out / f"{name}.json" for name in FIGURES)
    pages = [json.loads(path.read_text("utf-8")) for path in found if path.exists()]
    written = []
    for name in ("index.html", "README.md"):
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        text = environment.get_template(f"{name}.j2").render(figures=pages)
        written.append(out / name)
        written[-1].write_text(re.sub("\n{3,}", "\n\n", text).rstrip() + "\n", "utf-8")
    return written
