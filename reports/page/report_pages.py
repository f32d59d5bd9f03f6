"""Write index.html and README.md of a report from the JSON files beside them."""

import re
from collections.abc import Collection
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.damaged_files import Damaged, read_sealed
from reports.claims.claim_entries import UNPLANNED
from reports.claims.verdict_rule import VERDICTS
from reports.figures import FIGURES
from reports.load.formatting import short_title
from reports.page import escaping
from reports.page.page_content import arrange

PAGE_FIELDS = {"figure", "title", "claim", "caption", "summary", "curves", "scale", "seeds", "commands", "planned_at"}
PAGE_FIELDS |= {"trained_at", "measured_at", "hardware", "software", "data", "macs", "training", "measuring"}
PAGE_FIELDS |= {"from", "to", "panels", "planned", "missing", "notes"}
TEMPLATES = Path(__file__).with_name("templates")


def write_pages(out: Path, drawn: Collection[str] = ()) -> list[Path]:
    """Write both pages, with figures that were built earlier too. drawn: figures asked for now, shown first."""
    content = arrange(read_pages(out)[0], read_claims(out), drawn, out)
    written = []
    for name in ("index.html", "README.md"):
        template = environment(name.endswith(".html")).get_template(f"{name}.j2")
        text = template.render(content, verdicts=VERDICTS, unplanned=UNPLANNED)
        written.append(out / name)
        written[-1].write_text(re.sub("\n{3,}", "\n\n", text).rstrip() + "\n", "utf-8")
    return written


def environment(is_html: bool) -> Environment:
    """Templates in which every value is escaped for HTML or for Markdown."""
    options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    finalize = None if is_html else escaping.markdown_text
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=is_html, finalize=finalize, **options)
    templates.filters |= {"table_text": escaping.table_text, "short_title": short_title}
    templates.filters |= {"code_span": escaping.code_span, "code_line": escaping.code_line}
    return templates


def read_pages(out: Path) -> tuple[list[dict], list[str]]:
    """The figures' JSON files in the folder, and a line for each damaged one, which is left out of the page."""
    pages, damages = [], []
    for name in FIGURES:
        try:
            page = read_sealed(out / f"{name}.json")
            if page is not None and not page.keys() >= PAGE_FIELDS:
                raise Damaged(out / f"{name}.json", "it has not the fields of a figure's page")
            pages += [page] if page else []
        except Damaged as damage:
            damages.append(f"{damage}: draw it again with `python -m bench report {name}`")
    return pages, damages


def read_claims(out: Path) -> dict | None:
    """claims.json with the number of claims per verdict; None if no claim was judged yet."""
    try:
        page = read_sealed(out / "claims.json")
        verdicts = [claim["verdict"] for claim in page["claims"]] if page else []
    except (Damaged, KeyError, TypeError):
        return None
    counts = {verdict: verdicts.count(verdict) for verdict in VERDICTS if verdict in verdicts}
    return page and page | {"counts": counts}
