"""Markdown tables between markers of a page."""

import re
from pathlib import Path

from bench.errors import BadInput


def markdown(rows: list[list[str]]) -> str:
    """The first row is the head."""
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def check(path: Path, name: str) -> None:
    """Raises BadInput where the page has no place of that name."""
    if not path.is_file() or not re.search(place(name), path.read_text(encoding="utf-8"), re.DOTALL):
        raise BadInput(f"{path} has no lines <!-- {name} --> and <!-- /{name} --> to write the tables between")


def place(name: str) -> str:
    return rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"


def write(path: Path, name: str, text: str) -> None:
    """Between `<!-- NAME -->` and `<!-- /NAME -->` of the page. Raises BadInput where these are not."""
    check(path, name)
    page = path.read_text(encoding="utf-8")
    page = re.sub(place(name), lambda part: f"{part[1]}{text}\n{part[2]}", page, flags=re.DOTALL)
    path.write_text(page, encoding="utf-8")
