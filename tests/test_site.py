"""The site of docs/, built once in strict mode: links lead somewhere, nothing is loaded from other hosts, and the
reference lists every command, option and field."""

import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import Protocol
from bench.spec.recipe import Recipe
from bench.spec.registry import ATTACKS, BLENDS, METHODS, NORMS, PROBES
from bench.spec.scale import Scale, scale_names
from bench.spec.suite import Experiment, Measure, Suite
from tests.command import ROOT
from tests.test_docs import commands

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}


class Page(HTMLParser):
    """The ids, the targets of links, what is loaded, and the text of an HTML page."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.loads, self.code, self.in_code = set(), set(), set(), [], False
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values.get("id"), values.get("name")}
        if tag == "a" and values.get("href"):
            self.links.add(values["href"])
        self.loads |= {values[name] for kind, name in LOADED if kind == tag and values.get(name)}
        self.in_code = tag == "code"

    def handle_endtag(self, tag):
        self.in_code = False

    def handle_data(self, data):
        if self.in_code:
            self.code.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the built site. A warning of MkDocs fails the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def read():
    return cache(Page)


def pages(site: Path) -> list[Path]:
    """The site's pages, without those of reports, which docs/results holds as they were written."""
    reports = {path.parent for path in site.rglob("claims.json")}
    return [path for path in site.rglob("*.html") if path.parent not in reports and path.name != "404.html"]


def test_links_and_anchors_lead_somewhere(site, read):
    broken = []
    for path in pages(site):
        for link in read(path).links:
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or parts.netloc:
                continue
            anchor = unquote(parts.fragment)
            if not target.is_file() or anchor and target.suffix == ".html" and anchor not in read(target).ids:
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken


def test_pages_load_nothing_from_other_hosts(site, read):
    assert not [load for path in pages(site) for load in read(path).loads if urlsplit(load).netloc]
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"@import|url\([\"']?(?:https?:)?//", styles)


def test_the_first_page_is_the_readme_with_its_figure(site, read):
    page = read(site / "index.html")
    assert "results/laptop/fig4.png" in page.loads and "results/laptop/index.html#fig4" in page.links
    assert "tutorial.html" in page.links


def test_every_page_is_in_the_navigation(site, read):
    links = read(site / "index.html").links
    folders = (ROOT / "docs" / name for name in (".", "guides", "reference"))
    names = [path.relative_to(ROOT / "docs").with_suffix(".html") for folder in folders for path in folder.glob("*.md")]
    assert len(names) > 20 and not [name for name in names if str(name) not in links]


def test_a_page_that_nav_does_not_list_is_under_more(monkeypatch):
    from mkdocs.config import load_config

    config = load_config(str(ROOT / "mkdocs.yml"))
    config.nav = [{"Overview": "index.md"}, *config.nav[2:]]
    config.hooks["docs/site/hooks.py"].on_config(config)
    assert config.nav[-1] == {"More": ["tutorial.md"]}


def test_the_reference_lists_every_command_and_option(site, read):
    code = set(read(site / "reference" / "commands.html").code)
    ids = read(site / "reference" / "commands.html").ids
    for name, options in commands().items():
        assert name.replace(" ", "-") in ids
        assert options - {"--help"} <= code


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("recipes", [*Recipe.model_fields, *Protocol.model_fields, *Measurement.model_fields]),
        ("suites", [*Suite.model_fields, *Experiment.model_fields, *Measure.model_fields]),
        ("suites", [*METHODS, *ATTACKS, *PROBES, *NORMS, *BLENDS]),
        ("experiments", [*Scale.model_fields, *scale_names()]),
    ],
)
def test_the_reference_lists_every_field_and_name(site, read, page, names):
    assert set(names) <= set(read(site / "reference" / f"{page}.html").code)


def test_the_citation_can_be_read():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["preferred-citation"]["year"] == 2020 and len(citation["preferred-citation"]["authors"]) == 6


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120
