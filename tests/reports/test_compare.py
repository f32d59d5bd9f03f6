"""`report --compare A B`: a run against itself has no difference; a shift of one method changes its claims."""

import json
import shutil

import pandas as pd
import pytest

from bench.errors import BadInput
from reports.compare import changed_claims, compare, read_side
from tests.command import bench
from tests.reports import synthetic
from tests.reports.test_build import Page


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a")
    return folder, synthetic.laptop(folder)


@pytest.fixture(scope="module")
def compared(runs, tmp_path_factory):
    """A comparison in which RA of OAT (dual BN) is 9 points (40 of 450 images) lower on B: (differences, folder)."""
    _, trials = runs
    other, out = tmp_path_factory.mktemp("b"), tmp_path_factory.mktemp("out")
    synthetic.laptop(other)
    for trial in (trial for trial in trials if trial["label"] == "OAT (dual BN)"):
        path = other / "trials" / trial["key"] / "results.json"
        content = json.loads(path.read_text())
        for entry in content["measurements"].values():
            for row in entry["rows"]:
                row["robust_correct"] -= 40
                row |= synthetic.correct_columns(row["clean_correct"], row["robust_correct"], row["n"], row["lam"])
        path.write_text(json.dumps(content))
    return compare(runs[0], other, out, ["fig4"]), out


def test_the_shift_is_in_the_differences_and_nowhere_else(compared):
    written, out = compared
    assert {path.name for path in written} == {"compare-fig4.png", "compare.html", "differences.csv"}
    table = pd.read_csv(out / "differences.csv")
    assert set(table.method) == {"OAT (dual BN)"} and len(table) == 2 * (6 + 1)  # metrics, six λ and their mean
    shifted = table.metric == "ra"
    assert table.difference[shifted].tolist() == pytest.approx([-100 * 40 / 450] * 7, abs=1e-3)
    assert (table.difference[~shifted] == 0).all() and (table.high[shifted] < 0).all()


def test_networks_that_saw_other_images_have_no_difference(runs, tmp_path):
    """Their counts cannot be paired, image by image or otherwise."""
    other = tmp_path / "other"
    synthetic.laptop(other)
    for path in other.glob("trials/*/results.json"):
        path.write_text(path.read_text().replace("d" * 64, "e" * 64))
    written = compare(runs[0], other, tmp_path / "out", ["fig4"])
    assert (tmp_path / "out" / "compare-fig4.png") in written
    assert pd.read_csv(tmp_path / "out" / "differences.csv").empty
    text = Page(tmp_path / "out" / "compare.html").text
    assert "other images on the two sides" in text and "The same networks" not in text


def test_a_side_without_finished_networks_has_no_difference(runs, tmp_path):
    shutil.copytree(runs[0] / "plans", tmp_path / "planned" / "plans")
    written = compare(runs[0], tmp_path / "planned", tmp_path / "out", ["fig4"])
    assert len(written) == 3 and pd.read_csv(tmp_path / "out" / "differences.csv").empty


def test_the_page_names_both_and_the_claims_that_changed(compared, runs):
    _, out = compared
    page = Page(out / "compare.html")
    page.check_links(out)
    assert str(runs[0]) in page.text and "OAT (dual BN)" in page.text and "−8.9" in page.text.replace("-8.9", "−8.9")
    assert "claims have another verdict on B than on A" in page.text and "3. OAT (dual BN) is close to" in page.text


def test_a_claim_that_one_side_has_not_run_has_not_changed(runs, monkeypatch):
    pages = iter([["reproduced", "inconclusive", "not run"], ["not run", "reproduced", "not reproduced"]])

    def write(plans, runs, out, drawn):
        claims = [{"id": id, "claim": f"claim {id}", "verdict": verdict} for id, verdict in enumerate(next(pages))]
        (out / "claims.json").write_text(json.dumps({"claims": claims}))
        return [out / "claims.json"]

    monkeypatch.setattr("reports.claims.judge.write", write)
    (changed,) = changed_claims([read_side(runs[0], runs[0])] * 2, ["fig4"])
    assert (changed["id"], changed["before"], changed["after"]) == (1, "inconclusive", "reproduced")


def test_a_run_against_itself_changes_no_verdict(runs, tmp_path):
    done = bench("report", "fig8", "--compare", runs[0], runs[0], "--out", tmp_path)
    assert done.returncode == 0 and done.stdout.split() == [
        str(tmp_path / name) for name in ("compare-fig8.png", "differences.csv", "compare.html")
    ]
    assert pd.read_csv(tmp_path / "differences.csv").empty
    text = Page(tmp_path / "compare.html").text
    assert "0 claims have another verdict" in text and "The same networks with the same counts on both sides" in text


def test_options_of_one_run_are_refused(runs):
    done = bench("report", "--compare", runs[0], runs[0], "--tex")
    assert (
        done.returncode == 2
        and "--compare takes none of --archive, --from, --scale, --plan, --tex and --crate" in done.stderr
    )


def test_nothing_to_compare_is_one_line(runs, tmp_path):
    with pytest.raises(BadInput, match="absent: no such runs directory or archive"):
        compare(runs[0], tmp_path / "absent", tmp_path)
    with pytest.raises(BadInput, match="no plan under .*nothing: give a runs directory or an archive"):
        (tmp_path / "nothing").mkdir()
        compare(runs[0], tmp_path / "nothing", tmp_path)
    synthetic.write_plan(tmp_path, [synthetic.panel(synthetic.networks(seeds=(0,))) | {"figures": ["fig13"]}])
    with pytest.raises(BadInput, match="have no figure of SA and RA in common"):
        compare(runs[0], tmp_path, tmp_path / "out")
