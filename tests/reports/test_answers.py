"""README's table of answers: from claims.json alone, in README as committed, and one row per question."""

import json
import re
import sys

import pytest

from bench.errors import BadInput
from reports import answers
from reports.claims import judge
from tests.command import ROOT

README = ROOT / "README.md"


def claim(id: int, verdict: str, told: str = "+1.00 pp [+0.50, +1.50]", **fields) -> dict:
    held = {"what": "SA(λ=0) − SA(λ=1)", "asked": "≥ 0", "value": "+2.00 pp [+1.00, +3.00]", "verdict": "reproduced"}
    line = {"what": "RA(λ=1) − RA(λ=0)", "asked": "≥ 5", "value": told, "verdict": verdict}
    settle = "18 seeds would decide with 80 % power: 15 more" if verdict.startswith("inconclusive") else ""
    told = [line] if verdict == "reproduced" else [held, line]
    check = {"name": "a check", "verdict": verdict, "decides": True, "settle": settle, "told": told, "more": 0}
    part = {"on": "digits, WRN-10-1, in place of SVHN", "figures": ["fig4"], "note": "", "checks": [check]}
    return {"id": id, "verdict": verdict, "but": "", "parts": [part], "figures": ["fig4"]} | fields


@pytest.fixture
def results(tmp_path):
    """Folder of a page and, in docs/results/laptop, a claims.json with every claim inconclusive."""
    folder = tmp_path / "docs" / "results" / "laptop"
    folder.mkdir(parents=True)
    write(folder, [claim(c.id, "inconclusive") for c in judge.all_claims()])
    (tmp_path / "README.md").write_text(f"# Title\n{answers.BEGIN}\nthe former table\n{answers.END}\nafter\n", "utf-8")
    return folder


def write(folder, claims: list[dict]) -> None:
    (folder / "claims.json").write_text(json.dumps({"scale": "laptop", "claims": claims}), "utf-8")


def run(monkeypatch, results, *options: str) -> str:
    page = results.parents[2] / "README.md"
    arguments = ["answers", "--claims", str(results / "claims.json"), "--page", str(page), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    answers.main()
    return page.read_text("utf-8")


def test_every_question_names_claims_that_exist_and_there_are_five_to_eight():
    asked = answers.questions()
    assert 5 <= len(asked) <= 8 and all(row.question.endswith("?") for row in asked)
    assert {id for row in asked for id in row.claims} <= {claim.id for claim in judge.all_claims()}


@pytest.mark.parametrize(
    ("verdict", "word", "sentence"),
    [
        ("reproduced", "Yes", "yes"),
        ("not reproduced", "No", "no"),
        ("inconclusive", "Undecided", "open"),
        ("inconclusive (one seed)", "Undecided", "open"),
    ],
)
def test_an_answer_is_the_verdict_with_its_number_and_evidence(monkeypatch, results, verdict, word, sentence):
    write(results, [claim(c.id, verdict) for c in judge.all_claims()])
    page = run(monkeypatch, results)
    rows = [line for line in page.splitlines() if line.startswith("| ") and "**" in line]
    assert len(rows) == len(answers.questions())
    until = "<sub>“a check”: 18 seeds would decide with 80 % power</sub><br>" if word == "Undecided" else ""
    number = "<sub>RA(λ=1) − RA(λ=0): +1.00 pp [+0.50, +1.50] (asked: ≥ 5)</sub>"
    assert f"**{word}**: {getattr(answers.questions()[0], sentence)}<br>{until}{number}" in rows[0]
    summary = f"At scale `laptop` (digits, WRN-10-1), of {len(rows)} questions: {len(rows)} {word.lower()}."
    assert summary in page
    assert "[Figure 4](docs/results/laptop/README.md#fig4), [claim 1](docs/results/laptop/README.md)" in rows[0]
    assert page.startswith("# Title\n") and page.endswith("\nafter\n") and "the former table" not in page


def test_what_was_not_run_has_no_number():
    text = answers.answer_text(answers.questions()[0], [claim(1, "not run", parts=[], figures=[])])
    assert text == "**Not run**"
    assert answers.evidence_text([claim(1, "not run", parts=[], figures=[])], "r") == "[claim 1](r/README.md)"


def test_the_number_is_of_the_check_that_decides(results):
    held, failed = claim(1, "reproduced")["parts"][0], claim(1, "not reproduced", "−9.00 pp [−9.50, −8.50]")["parts"][0]
    both = [held | {"checks": held["checks"] + failed["checks"]}]
    text = answers.answer_text(answers.questions()[0], [claim(1, "not reproduced", parts=both, but="masked gradients")])
    assert (
        text.startswith("**No**: ")
        and " (masked gradients)<br>" in text
        and "−9.00" in text
        and "+1.00 pp [+0.50" not in text
    )


def test_of_several_claims_the_one_that_fails_decides():
    several = [claim(1, "reproduced"), claim(2, "not reproduced", "−9.00 pp"), claim(3, "inconclusive")]
    assert answers.answer_text(answers.questions()[0], several).startswith("**No**") and "−9.00" in answers.answer_text(
        answers.questions()[0], several
    )
    assert answers.answer_text(answers.questions()[0], several[:1]).startswith("**Yes**")


def test_a_bar_in_a_text_does_not_split_a_cell(monkeypatch, results):
    write(results, [claim(c.id, "inconclusive", "|⟨x, g⟩|") for c in judge.all_claims()])
    rows = [line for line in run(monkeypatch, results).splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {4}


def test_check_writes_nothing_and_tells_of_another_table(monkeypatch, results):
    with pytest.raises(SystemExit, match="is not what the results say"):
        run(monkeypatch, results, "--check")
    assert "the former table" in (results.parents[2] / "README.md").read_text("utf-8")
    run(monkeypatch, results)
    run(monkeypatch, results, "--check")


def test_wrong_files_are_one_line(monkeypatch, results, capsys):
    write(results, [claim(1, "reproduced")])
    with pytest.raises(SystemExit):
        run(monkeypatch, results)
    assert "has no claim 3: draw the report again" in capsys.readouterr().err
    (results / "claims.json").write_text("[]")
    with pytest.raises(BadInput, match=r"not a claims\.json"):
        answers.table(results / "claims.json", results)
    with pytest.raises(BadInput, match="has no line <!-- begin answers -->"):
        answers.with_table("no marks", "")


def committed() -> list[int]:
    path = ROOT / "docs" / "results" / "laptop" / "claims.json"
    return [claim["id"] for claim in json.loads(path.read_text("utf-8"))["claims"]]


@pytest.mark.skipif(
    not {claim.id for claim in judge.all_claims()} <= set(committed()),
    reason="the committed results were judged before there were all of today's claims",
)
def test_the_readme_has_the_answers_of_the_committed_results(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["answers", "--check"])
    answers.main()


def test_the_readme_has_the_marks():
    text = README.read_text("utf-8")
    assert answers.with_table(text, "x").count("\nx\n") == 1
