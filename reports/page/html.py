"""Write index.html and README.md: the claims, then every figure of a directory with its provenance."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.damaged_files import Damaged, read_sealed
from bench.errors import one_line
from reports.claims.claim_entries import UNPLANNED
from reports.claims.decide import VERDICTS
from reports.figures import FIGURES
from reports.figures.figure_files import FORMATS

PAGE_FIELDS = {"figure", "title", "claim", "caption", "summary", "curves", "scale", "seeds", "commands", "planned_at"}
PAGE_FIELDS |= {"trained_at", "measured_at", "hardware", "software", "data", "macs", "training", "measuring"}
PAGE_FIELDS |= {"from", "to", "panels", "planned", "missing", "notes"}
TEMPLATES = Path(__file__).with_name("templates")


def write_pages(out: Path) -> list[Path]:
    """Write both pages from the JSON files beside them, so that they keep figures that were built earlier."""
    pages = (undamaged_page(out / f"{name}.json") for name in FIGURES)
    figures = [{"formats": FORMATS} | page for page in pages if page]  # an earlier version drew all formats
    claims = read_claims(out)
    written = []
    for name in ("index.html", "README.md"):
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=name.endswith(".html"),
            finalize=None if name.endswith(".html") else markdown_text,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters |= {"table_text": table_text, "short_title": short_title}
        environment.filters |= {"code_span": code_span, "code_line": code_line}
        template = environment.get_template(f"{name}.j2")
        text = template.render(figures=figures, claims=claims, verdicts=VERDICTS, unplanned=UNPLANNED)
        written.append(out / name)
        written[-1].write_text(re.sub("\n{3,}", "\n\n", text).rstrip() + "\n", "utf-8")
    return written


def read_page(path: Path) -> dict | None:
    """A figure's JSON file, or None where there is none. Raises Damaged."""
    page = read_sealed(path)
    if page is not None and not page.keys() >= PAGE_FIELDS:
        raise Damaged(path, "it has not the fields of a figure's page")
    return page


def undamaged_page(path: Path) -> dict | None:
    try:
        return read_page(path)
    except Damaged:
        return None


def unreadable_pages(out: Path) -> list[str]:
    """A line for each damaged figure's JSON in the folder: its figure is left out of the page."""
    lines = []
    for name in FIGURES:
        try:
            read_page(out / f"{name}.json")
        except Damaged as damage:
            lines.append(f"{damage}: draw it again with `python -m bench report {name}`")
    return lines


def short_title(title: str) -> str:
    """Shorten a title: Figure 4. Trade-off between … → Figure 4."""
    name = re.match(r"(Figure \d+|App\. [A-Z]|Section [\d.]*\d)\b|[^:]+", title)
    return name[0] if name else title


def read_claims(out: Path) -> dict | None:
    """claims.json with the number of claims per verdict; None if no claim was judged yet."""
    try:
        page = read_sealed(out / "claims.json")
        verdicts = [claim["verdict"] for claim in page["claims"]] if page else []
    except (Damaged, KeyError, TypeError):
        page = None
    if page is None:
        return None
    return page | {"counts": {verdict: verdicts.count(verdict) for verdict in VERDICTS if verdict in verdicts}}


def markdown_text(text: object) -> str:
    """Escape text for a line of Markdown, so that no HTML in it is HTML there. Every value in README.md passes here."""
    if isinstance(text, Markup):
        return text
    return Markup(str(text).replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;"))


def table_text(text: object) -> Markup:
    """Escape text for a cell of a Markdown table."""
    return Markup(markdown_text(text).replace("|", "\\|"))


def code_line(text: object) -> Markup:
    """Text for a line of an indented code block, in which nothing but a line break has a meaning."""
    return Markup(one_line(text))


def code_span(text: object) -> Markup:
    """A code span for a cell of a Markdown table: between more backticks than the text has in a row."""
    line = one_line(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return Markup(f"{fence} {line} {fence}" if "`" in line else f"`{line}`")
