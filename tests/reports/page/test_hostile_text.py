"""Text of suites, data sets and commands stays text in README.md, as in index.html: rendered, no HTML comes of it."""

import json
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from reports.page.escaping import code_line, code_span, markdown_text, table_text
from reports.page.report_pages import write_pages

HOSTILE = '<script>alert(1)</script> & <img src=x onerror=alert(2)> `a` ``b`` | c\n<iframe src="x"></iframe>'


class Elements(HTMLParser):
    """The names of a page's elements, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.names, self.text = set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag if tag != "img" or dict(attrs).get("src", "").startswith("fig4") else "foreign img")

    def handle_data(self, data):
        self.text += data


def rendered(markdown: str) -> Elements:
    return Elements(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


@pytest.fixture
def pages(tmp_path):
    """README.md and index.html of a report whose every free text is HOSTILE."""
    panel = {"heading": HOSTILE, "below": HOSTILE}
    network = {"name": HOSTILE, "key": "0" * 16, "seed": 0, "measured": HOSTILE, "lr": "0.1", "drawn": True}
    network |= {"score": "–", "epoch": "–", "time": "1 s", "macs": "1", "url": "", "href": None}
    missing = {"name": HOSTILE, "key": "1" * 16, "status": "failed", "note": HOSTILE, "log": HOSTILE, "href": None}
    figure = {"figure": "fig4", "title": f"Figure 4. {HOSTILE}", "claim": HOSTILE, "caption": HOSTILE}
    figure |= {"formats": ["png"], "scale": HOSTILE, "seeds": [0], "commands": [HOSTILE], "planned": 2}
    figure |= {name: [HOSTILE] for name in ("planned_at", "trained_at", "measured_at", "hardware", "software", "data")}
    figure |= dict.fromkeys(("macs", "training", "measuring", "from", "to"), HOSTILE) | {"notes": [HOSTILE]}
    rates = [{"network": HOSTILE, "won": "0.1", "scores": [HOSTILE], "provisional": False}]
    figure |= {"panels": [panel | {"rates": rates, "networks": [network]}], "missing": [missing]}
    figure |= {"summary": [panel | {"rows": [{HOSTILE: HOSTILE}]}]}
    figure |= {"curves": [panel | {"lambdas": ["0"], "rows": [{"method": HOSTILE, "cells": [HOSTILE]}]}]}
    (tmp_path / "fig4.json").write_text(json.dumps(figure), "utf-8")
    write_pages(tmp_path)
    return rendered((tmp_path / "README.md").read_text("utf-8")), Elements((tmp_path / "index.html").read_text("utf-8"))


def test_no_element_comes_of_a_text(pages):
    readme, index = pages
    assert readme.names <= {"a", "h1", "p", "strong", "img", "table", "thead", "tbody", "tr", "th", "td", "pre", "code"}
    assert not index.names & {"iframe", "foreign img"}


def test_the_text_is_still_there(pages):
    for page in pages:
        assert page.text.count("<script>alert(1)</script> &") >= 8


@pytest.mark.parametrize("text", ["plain", "a|b", "x`", "`x``y`", "<b>", "&lt;", "a & b"])
def test_a_cell_shows_the_text(text):
    cells = rendered(f"| a | b |\n|---|---|\n| {table_text(text)} | {code_span(text)} |\n")
    assert cells.names <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert [cell for cell in cells.text.split("\n") if cell][-1 if "`" in text else -2 :].count(text) >= 1


def test_a_line_break_ends_neither_a_line_nor_a_span():
    assert "\n" not in markdown_text("a\nb") + code_span("a\nb") + code_line("a\nb")
