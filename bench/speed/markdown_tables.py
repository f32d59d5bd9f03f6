"""Markdown tables, and the places of a page that they are written to: between <!-- NAME --> and <!-- /NAME -->."""

import re
from pathlib import Path

from bench.errors import BadInput


def markdown(rows: list[list[str]]) -> str:
    """Table of the rows, the first of which is the head."""
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def check(path: Path, name: str) -> None:
    """Raise BadInput unless the page has the two markers of `name`."""
    if not path.is_file() or not re.search(marked(name), path.read_text(encoding="utf-8"), re.DOTALL):
        raise BadInput(f"{path} has no lines <!-- {name} --> and <!-- /{name} --> to write the tables between")


def marked(name: str) -> str:
    """Pattern of the two markers and what stands between them."""
    return rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"


def write(path: Path, name: str, text: str) -> None:
    """Replace the text between the two markers of `name`. Raises BadInput if the page lacks them."""
    check(path, name)
    page = path.read_text(encoding="utf-8")
    page = re.sub(marked(name), lambda match: f"{match[1]}{text}\n{match[2]}", page, flags=re.DOTALL)
    path.write_text(page, encoding="utf-8")
