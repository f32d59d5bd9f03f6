"""Escape text for a Markdown page, so that no HTML and no Markdown comes of it."""

import re

from markupsafe import Markup

from bench.errors import one_line


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
