"""Write index.html and README.md: the claims, then every figure of a directory with its provenance."""

import json
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.claims.decide import VERDICTS
from reports.claims.text import UNPLANNED
from reports.figures import FIGURES
from reports.figures.figure_files import FORMATS

TEMPLATES = Path(__file__).with_name("templates")


def write_pages(out: Path) -> list[Path]:
    """Write both pages from the JSON files beside them, so that they keep figures that were built earlier."""
    paths = (out / f"{name}.json" for name in FIGURES)
    figures = [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]
    figures = [{"formats": FORMATS} | figure for figure in figures]  # of an earlier version, which drew all of them
    claims = read_claims(out)
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
        environment.filters |= {"table_text": table_text, "short_title": short_title}
        template = environment.get_template(f"{name}.j2")
        text = template.render(figures=figures, claims=claims, verdicts=VERDICTS, unplanned=UNPLANNED)
        written.append(out / name)
        written[-1].write_text(re.sub("\n{3,}", "\n\n", text).rstrip() + "\n", "utf-8")
    return written


def short_title(title: str) -> str:
    """Shorten a title: Figure 4. Trade-off between … → Figure 4."""
    name = re.match(r"(Figure \d+|App\. [A-Z]|Section [\d.]*\d)\b|[^:]+", title)
    return name[0] if name else title


def read_claims(out: Path) -> dict | None:
    """claims.json with the number of claims per verdict; None if no claim was judged yet."""
    path = out / "claims.json"
    if not path.exists():
        return None
    page = json.loads(path.read_text("utf-8"))
    verdicts = [claim["verdict"] for claim in page["claims"]]
    return page | {"counts": {verdict: verdicts.count(verdict) for verdict in VERDICTS if verdict in verdicts}}


def table_text(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
