"""Files of `python -m bench report`: CSV, byte-identical figures, and pages without broken links."""

import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest

from bench import archive
from bench.errors import BadInput
from reports.build import build
from reports.export import export
from reports.page import report_pages
from tests.reports import synthetic


class Page(HTMLParser):
    """Text, links, and ids of a page; asserts that tags nest."""

    VOID = ("meta", "img", "br")

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.open, self.text = [], [], [], ""
        self.feed(path.read_text("utf-8"))
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.open += [tag] if tag not in self.VOID else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def check_links(self, folder):
        for link in self.links:
            if link.startswith("#"):
                assert link[1:] in self.ids
            elif not link.startswith("http://127.0.0.1:5000/#/experiments/"):
                assert (folder / link).exists(), link


@pytest.fixture(scope="module")
def gappy(tmp_path_factory):
    """Runs at laptop scale with a learning-rate grid, a failed and a missing network; trials; report files."""
    runs = tmp_path_factory.mktemp("gappy")
    trials = synthetic.networks(lrs=(0.1, 0.05), seeds=(0, 1))
    synthetic.write_plan(runs, [synthetic.panel(trials)], dirty=True)
    for trial in trials[2:]:
        synthetic.finish(runs, [trial], score=0.7 if trial["lr"] == 0.05 else 0.6)
    synthetic.fail(runs, trials[0])
    return runs, trials, build(None, runs, runs / "report")


@pytest.fixture
def tables_only(no_images, no_claims):
    """Draw nothing and judge nothing, for tests of tables and links."""


def test_files_and_page(gappy):
    runs, trials, written = gappy
    kinds = ("png", "svg", "pdf", "csv", "json")
    expected = {f"{figure}.{kind}" for figure in ("fig4", "fig8") for kind in kinds} | {"index.html", "README.md"}
    expected |= {"claims.json", "claims.csv"}
    assert {path.name for path in written} == expected and all(path.stat().st_size for path in written)
    page = Page(runs / "report" / "index.html")
    page.check_links(runs / "report")
    assert f"../trials/{trials[0]['key']}/train.log" in page.links
    run = f"experiments/1/runs/{trials[5]['key'] * 2}?workflowType=machine_learning"
    assert f"http://127.0.0.1:5000/#/{run}" in page.links
    for text in (
        "python -m bench run suites/frontiers.yaml",
        "0123456789ab (dirty)",
        "cpu; AMD EPYC, 2 cores",
        "torch 2.15.0, Python 3.11.7",
        "2 of 32 networks are missing",
        "failed, loss is NaN <at epoch 3>",
        "16 min training, 60 s measuring",
        "PGD-AT, λ=0.1",
        "0.1: 0.6000 (2 of 2); 0.05: 0.7000 (2 of 2)",
        "0.05 (provisional)",
        "450 test images",
        "12 of 15",
        "stands in for SVHN",
        "digits, content hash dddddddddddd…",
        "training took 1.5e+11 multiply–accumulates",
    ):
        assert text in page.text, text
    assert str(runs) not in (runs / "report" / "index.html").read_text("utf-8")


def test_csv_holds_every_point_of_the_winners(gappy):
    runs, trials, _ = gappy
    table = pd.read_csv(runs / "report" / "fig4.csv")
    header = "method,dataset,arch,scale,experiment,variant,seed,lambda,width,attack,epsilon,sa,ra,n,key"
    assert ",".join(table.columns) == header
    won = {trial["key"] for trial in trials[2:] if trial["lr"] == 0.05}
    assert set(table.key) == won
    assert len(table) == len(won) - 4 + 4 * 6  # PGD-AT once each, OAT at six λ
    row = table[(table.method == "OAT (dual BN)") & (table.seed == 1) & (table["lambda"] == 0.3)].iloc[0]
    trial = next(t for t in trials if t["key"] == row.key)
    (measured,) = synthetic.results(trial)["measurements"].values()
    counts = next(r for r in measured["rows"] if r["lam"] == 0.3)
    assert row.sa == pytest.approx(100 * counts["clean_correct"] / 450, abs=1e-4) and row.n == 450
    assert table.equals(table.sort_values(list(table.columns), ignore_index=True))


def test_every_point_leads_to_its_run(gappy):
    """The SVG links to the network's row on the page, which links to its directory, also in a copy of runs/."""
    runs, _, _ = gappy
    page = Page(runs / "report" / "index.html")
    for figure in ("fig4", "fig8"):
        points = pd.read_csv(runs / "report" / f"{figure}.csv")
        links = re.findall(
            r'xlink:href="index\.html#([0-9a-f]+)"', (runs / "report" / f"{figure}.svg").read_text("utf-8")
        )
        axes = {"fig4": 1, "fig8": 2}[figure]  # SA against RA; SA, and RA, against λ
        assert sorted(links) == sorted([*points.key] * axes)
        assert set(links) <= set(page.ids) and {f"../trials/{key}" for key in links} <= set(page.links)
    row = points.groupby("key").get_group(points.key[0])
    spans = (f"{values.min():.1f}" + f"–{values.max():.1f}" * (len(values) > 1) for values in (row.sa, row.ra))
    assert " / ".join(spans) in page.text


def test_a_page_outside_the_runs_directory_links_no_directory(tmp_path, tables_only):
    synthetic.laptop(tmp_path / "runs", seeds=(0,))
    build(["fig4"], tmp_path / "runs", tmp_path / "out", formats=("png",))
    page = Page(tmp_path / "out" / "index.html")
    assert not [link for link in page.links if "trials" in link] and "python -m bench show KEY" in page.text


def test_same_input_same_bytes(gappy):
    """The pages, too, are the same for the same figures: test_archive.py compares them."""
    runs, _, _ = gappy
    for path in build(["fig8"], runs, runs / "again"):
        if path.stem not in ("index", "README"):
            assert path.read_bytes() == (runs / "report" / path.name).read_bytes(), path.name


def test_page_keeps_figures_built_earlier(tmp_path, tables_only):
    synthetic.laptop(tmp_path, seeds=(0,))
    build(["fig8"], tmp_path, tmp_path / "out", formats=("png",))
    build(["fig4"], tmp_path, tmp_path / "out", formats=("png",))
    page = Page(tmp_path / "out" / "index.html")
    assert [name for name in page.ids if name.startswith("fig")] == ["fig4", "fig8"]
    assert len(page.ids) == len(set(page.ids))  # both figures draw the same networks
    page.check_links(tmp_path / "out")


def test_scale_is_the_newest_plans_unless_named(tmp_path, tables_only):
    synthetic.laptop(tmp_path, seeds=(0,))
    trials = synthetic.networks("svhn", "wrn-16-8", seeds=(0,))
    new = "2026-11-21T10:00:00+00:00"
    synthetic.write_plan(tmp_path, [synthetic.panel(trials, "svhn", "svhn")], "short", new)
    synthetic.finish(tmp_path, trials)
    for scale, expected in ((None, "short"), ("laptop", "laptop")):
        build(["fig4"], tmp_path, tmp_path / "out", scale)
        assert set(pd.read_csv(tmp_path / "out" / "fig4.csv").scale) == {expected}


def test_a_report_is_of_chosen_plans(tmp_path, tables_only):
    """An experiment with changed recipes does not creep in, nor into the archive."""
    plain, changed = synthetic.networks(seeds=(0,)), synthetic.networks(seeds=(0,), arch="wrn-16-2")
    synthetic.write_plan(tmp_path, [synthetic.panel(plain)])
    (name,) = [path.stem for path in (tmp_path / "plans").iterdir()]
    synthetic.write_plan(tmp_path, [synthetic.panel(changed, overrides={"film_init": "zero"})])
    for trials in (plain, changed):
        synthetic.finish(tmp_path, trials)
    file = tmp_path / "a.tar.gz"
    build(["fig4"], tmp_path, tmp_path / "out", formats=("png",), archive_file=file, chosen_plans=[name[:8]])
    assert set(pd.read_csv(tmp_path / "out" / "fig4.csv").key) == {trial["key"] for trial in plain}
    with archive.unpacked(file) as runs:
        assert len(list(runs.glob("plans/*"))) == 1 and len(list(runs.glob("trials/*"))) == len(plain)
    with pytest.raises(BadInput, match=f"--plan nine: no plan under .* begins so: there are .*{name}"):
        build(["fig4"], tmp_path, tmp_path / "out", chosen_plans=["nine"])


def test_empty_csv_still_has_its_header(tmp_path, tables_only):
    synthetic.write_plan(tmp_path, [synthetic.panel(synthetic.networks(seeds=(0,)))])
    build(["fig4"], tmp_path, tmp_path / "out", formats=("png",))
    assert (tmp_path / "out" / "fig4.csv").read_text().startswith("method,dataset,arch,scale,experiment,")


def test_a_log_is_not_linked_from_a_page_elsewhere(tmp_path, tables_only):
    trials = synthetic.laptop(tmp_path / "runs", seeds=(0,))
    shutil.rmtree(tmp_path / "runs" / "trials" / trials[0]["key"])
    synthetic.fail(tmp_path / "runs", trials[0])
    build(["fig4"], tmp_path / "runs", tmp_path / "docs", formats=("png",))
    page = Page(tmp_path / "docs" / "index.html")
    assert "train.log" in page.text and not any(link.endswith(".log") for link in page.links)


def test_errors_are_one_line_with_a_remedy(tmp_path, tables_only):
    with pytest.raises(BadInput, match="no plan under .*bench run suites/frontiers.yaml"):
        build(None, tmp_path, tmp_path / "out", formats=("png",))
    with pytest.raises(BadInput, match="unknown figure 'fgi4', did you mean 'fig4'"):
        export(["fgi4"], tmp_path, tmp_path / "a.tar.xz")
    synthetic.write_plan(tmp_path, [synthetic.panel(synthetic.networks(seeds=(0,))) | {"figures": ["fig4", "fig99"]}])
    with pytest.raises(BadInput, match="unknown figure 'fgi4', did you mean 'fig4'"):
        build(["fgi4"], tmp_path, tmp_path / "out")
    with pytest.raises(BadInput, match="no plan mentions fig8"):
        build(["fig8"], tmp_path, tmp_path / "out", formats=("png",))
    with pytest.raises(BadInput, match="at scale paper: take --scale laptop"):
        build(["fig4"], tmp_path, tmp_path / "out", "paper")
    with pytest.raises(BadInput, match="there are laptop"):
        build(None, tmp_path, tmp_path / "out", "paper")
    assert not (tmp_path / "out").exists()
    assert {path.stem for path in build(None, tmp_path, tmp_path / "out")} == {"fig4", "index", "README"}


def test_the_markdown_page_says_what_the_csv_says(gappy):
    runs, _, _ = gappy
    text = (runs / "report" / "README.md").read_text("utf-8")
    table = pd.read_csv(runs / "report" / "fig4.csv")
    dual = table[(table.method == "OAT (dual BN)") & (table["lambda"] == 1)].groupby("dataset")[["sa", "ra"]].mean()
    for sa, ra in dual.itertuples(index=False):
        assert f"{sa:.1f} / {ra:.1f}" in text
    assert "](fig4.png)" in text and "2 of 32 networks are missing" in text
    assert "\n\n\n" not in text


def test_panels_of_one_data_set_are_not_averaged(tmp_path, tables_only):
    """The same experiment under two protocols is two panels and two tables."""
    plain, changed = synthetic.networks(seeds=(0,)), synthetic.networks(seeds=(0,), arch="wrn-16-2")
    panels = [synthetic.panel(plain), synthetic.panel(changed, overrides={"film_init": "zero"})]
    synthetic.write_plan(tmp_path, panels)
    synthetic.finish(tmp_path, plain)
    build(["fig4"], tmp_path, tmp_path / "alone", formats=("png",))
    synthetic.finish(tmp_path, changed, dataset="cifar10")
    build(["fig4"], tmp_path, tmp_path / "both", formats=("png",))
    alone, two = (tables((tmp_path / out / "README.md").read_text("utf-8")) for out in ("alone", "both"))
    assert len(two) == 2 and two[0] == alone[0] and two[1] != two[0]


def tables(text: str) -> list[str]:
    return [block for block in text.split("\n\n") if block.startswith("| method |")]


def test_a_plan_of_oat_alone_of_which_nothing_has_finished_is_drawn_as_a_gap(tmp_path, no_claims):
    """Without any results no λ is known: the run was interrupted early, or measured with another attack only."""
    oat = [trial for trial in synthetic.networks(seeds=(0,)) if trial["method"] == "oat"]
    synthetic.write_plan(tmp_path, [synthetic.panel(oat)])
    build(None, tmp_path, tmp_path / "out", formats=("png",))
    assert "2 of 2 networks are missing" in (tmp_path / "out" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"\xff", b"\x00" * 9, b'{"figure": "fig5"', b'{"a":' * 50_000])
def test_a_damaged_page_of_an_earlier_report_is_left_out_and_named(tmp_path, damage):
    (tmp_path / "fig5.json").write_bytes(damage)
    (tmp_path / "claims.json").mkdir()
    (line,) = report_pages.read_pages(tmp_path)[1]
    assert line.startswith(f"{tmp_path / 'fig5.json'} is damaged: ") and "bench report fig5" in line
    assert all(path.is_file() for path in report_pages.write_pages(tmp_path))
