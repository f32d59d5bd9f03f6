"""`report --tex`: the numbers of the CSV under names, the tables, and text that LaTeX reads as text."""

import re

import pandas as pd
import pytest

from reports.page.latex import escape, macro, tabular
from tests.command import bench
from tests.reports import synthetic


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """Folder of a report, and its numbers by name: (text, comment)."""
    runs = tmp_path_factory.mktemp("tex")
    synthetic.laptop(runs, seeds=(0, 1))
    done = bench("report", "fig4", "--tex", "--formats", "png", "--runs", runs)
    assert done.returncode == 0, done.stderr
    text = (runs / "report" / "numbers.tex").read_text("utf-8")
    parts = text.split(r"\expandafter\def\csname oat:")[1:]
    definitions = [
        re.fullmatch(r"(\S+)\\endcsname\{(.*)\}(?: % ([^\n]*))?\n", part, re.DOTALL).groups() for part in parts
    ]
    assert len({name for name, *_ in definitions}) == len(definitions)
    return runs / "report", {name: rest for name, *rest in definitions}


def test_a_number_is_the_mean_of_the_csv_with_its_keys(numbers):
    out, by_name = numbers
    table = pd.read_csv(out / "fig4.csv")
    rows = table[(table.method == "OAT (dual BN)") & (table["lambda"] == 0.3)]
    text, comment = by_name["fig4/OAT-dual-BN/SA/0.3"]
    assert float(text) == pytest.approx(rows.sa.mean(), abs=0.051) and "2 seeds" in comment
    assert set(rows.key) == set(comment.partition("keys ")[2].split())


def test_claims_and_tables_have_names(numbers):
    _, by_name = numbers
    assert by_name["claim/10/verdict"][0] == "not run" and "claim/3/number" in by_name
    (table, _) = by_name["fig4/table-1"]
    assert table.startswith(r"\begin{tabular}{lllllll}") and "$\\lambda$=0.3" in table and table.count(r"\\") == 4


@pytest.mark.parametrize("text", ["50 % & more", "a_b #1", "{x}", "~^", "C:\\x", "λ ≥ −1 ± 2", "α"])
def test_no_special_character_is_left(text):
    assert not re.search(r"(?<!\\)[%&#]|[λα≥−±]", escape(text)) and escape(text).count("{") == escape(text).count("}")


def test_a_comment_ends_with_its_line():
    assert macro(["a", "OAT, λ ~ U[0,1]"], "1.0", "two\nlines") == (
        r"\expandafter\def\csname oat:a/OAT-lambda-U-0-1\endcsname{1.0} % two lines"
    )
    assert tabular([{"a": "1", "b": "2 %"}]).splitlines()[2] == r"1 & 2 \% \\"
