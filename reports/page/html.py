"""The page, for a browser and for a repository: the claims, then every figure of a directory and where it came from."""

import json
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.claims.decide import VERDICTS
from reports.claims.text import UNPLANNED
from reports.figures import FIGURES

LATER = {"data": [], "macs": ""}  # what a figure's JSON of an older version lacks, and its networks
LATER_NETWORKS = {"seed": "–", "measured": "–", "macs": "–", "href": None}
TEMPLATES = Path(__file__).with_name("templates")


def write_pages(out: Path) -> list[Path]:
    """Write index.html and README.md from the JSON files beside them, so that figures built earlier stay on them."""
    found = (out / f"{name}.json" for name in FIGURES)
    pages = [complete(json.loads(path.read_text("utf-8"))) for path in found if path.exists()]
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
        environment.filters |= {"cell": cell, "short": short}
        about = {"claims": claims(out), "verdicts": VERDICTS, "unplanned": UNPLANNED}
        text = environment.get_template(f"{name}.j2").render(figures=pages, **about)
        written.append(out / name)
        written[-1].write_text(re.sub("\n{3,}", "\n\n", text).rstrip() + "\n", "utf-8")
    return written


def complete(page: dict) -> dict:
    """A figure's page with a dash or nothing for what it did not say yet when it was built."""
    panels = [
        panel | {"networks": [LATER_NETWORKS | network for network in panel["networks"]]} for panel in page["panels"]
    ]
    return LATER | page | {"panels": panels}


def short(title: str) -> str:
    """Figure 4. Trade-off between … → Figure 4."""
    name = re.match(r"(Figure \d+|App\. [A-Z]|Section [\d.]*\d)\b|[^:]+", title)
    return name[0] if name else title


def claims(out: Path) -> dict | None:
    """claims.json, with how many claims have each verdict; none where no claim was judged yet."""
    path = out / "claims.json"
    if not path.exists():
        return None
    page = json.loads(path.read_text("utf-8"))
    found = [claim["verdict"] for claim in page["claims"]]
    return page | {"counts": {verdict: found.count(verdict) for verdict in VERDICTS if verdict in found}}


def cell(text: str) -> str:
    """Text for a cell of a Markdown table, in which a bar or a line's end would begin another."""
    return str(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
