"""MkDocs hooks: README.md is the first page, links out of docs/ lead to pages of the source, tables are generated.

A page of the source, `source/PATH.md`, is made for each file outside docs/ that a page links to. A line
`<!-- generated: NAME -->` becomes the result of the function NAME of reference.py.
"""

import json
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # for `bench`, where MkDocs runs as a script

import reference  # noqa: E402

HOME, README, DOCS, SOURCE = "index.md", "README.md", "docs/", "source/"
LINK = re.compile(r"(?<=\]\()[^)#\s]+")
FENCE = re.compile(r"(^```.*?^```[ ]*$)", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"<!-- generated: (\w+) -->")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".h": "c", ".c": "c", ".cff": "yaml"}


def on_config(config: MkDocsConfig) -> None:
    """Add pages that the nav does not list under "More"."""
    listed = set(re.findall(r'"([^"]+\.md)"', json.dumps(config.nav)))
    folder = Path(config.docs_dir)
    pages = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.md")))
    missing = [page for page in pages if page not in listed and not page.startswith("results/")]
    if missing:
        config.nav.append({"More": missing})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add README.md, and a page for each file outside docs/ that a page links to."""
    waiting = [file.src_uri for file in files.documentation_pages()] + [HOME, *source_pages(config.nav)]
    known = {file.src_uri for file in files}
    while waiting:
        page = waiting.pop()
        if page not in known:
            known.add(page)
            files.append(File.generated(config, page, content=page_text(page)))
        if page == HOME or origin(page).suffix == ".md":
            targets = (linked_page(page, link) for link in LINK.findall(origin(page).read_text("utf-8")))
            waiting += [target for target in targets if target and target.endswith(".md") and target not in known]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite links, open lists as GitHub does, and generate tables. Code blocks stay as they are."""
    uri = page.file.src_uri
    parts = FENCE.split(MARK.sub(lambda mark: getattr(reference, mark[1])(), markdown))
    return "".join(part if number % 2 else rendered(part, uri) for number, part in enumerate(parts))


def rendered(prose: str, page: str) -> str:
    prose = LINK.sub(lambda link: relative(linked_page(page, link[0]), page) or link[0], prose)
    # GitHub starts a list right below a paragraph, Python-Markdown after an empty line only
    return re.sub(r"(?<=\n)(?![-\s#|<]|\d+\. )(.+)\n(?=- |1\. )", r"\1\n\n", prose)


def source_pages(nav: list) -> list[str]:
    return re.findall(rf'"({SOURCE}[^"]+)"', json.dumps(nav))


def origin(page: str) -> Path:
    """The file in the repository that a page shows."""
    if page == HOME:
        return ROOT / README
    if page.startswith(SOURCE):
        path = page.removeprefix(SOURCE)
        return ROOT / path if (ROOT / path).is_file() else ROOT / path.removesuffix(".md")
    return ROOT / DOCS / page


def page_text(page: str) -> str:
    """Markdown of a page outside docs/: the file's own, or its text as a code block."""
    path = origin(page)
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        return text
    name = path.relative_to(ROOT).as_posix()
    return f"---\nsearch: {{exclude: true}}\n---\n# {name}\n\n```{LANGUAGES.get(path.suffix, '')}\n{text}```\n"


def linked_page(page: str, link: str) -> str | None:
    """The page or file of the site that a relative link leads to, or None where no file is there."""
    path = (origin(page).parent / link).resolve()
    if ":" in link or not path.is_file() or not path.is_relative_to(ROOT):
        return None
    name = path.relative_to(ROOT).as_posix()
    if name == README:
        return HOME
    if not name.startswith(DOCS):
        return SOURCE + (name if name.endswith(".md") else f"{name}.md")
    name = name.removeprefix(DOCS)
    # the HTML page of a report, in place of the page that GitHub shows
    return re.sub(r"^(results/\w+)/README\.md$", r"\1/index.html", name)


def relative(target: str | None, page: str) -> str | None:
    return target and posixpath.relpath(target, posixpath.dirname(page) or ".")
