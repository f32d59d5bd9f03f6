"""A report from an archive equals the report from the runs, and the committed archive redraws the committed tables."""

import pytest

from bench import archive
from reports.build import build
from tests.command import ROOT, bench
from tests.reports import claims_world

FIGURES = ["fig4", "fig10", "masking"]  # one of each kind of data: counts, tensors of a probe, and a probe's rows


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """(a report of runs with curves, saliency maps and claims; the archive that was written with it)."""
    folder = tmp_path_factory.mktemp("archive")
    claims_world.suites(folder / "runs", ["frontiers", "masking", "saliency"], seeds=1)
    for trial in (folder / "runs" / "trials").iterdir():
        (trial / "train.log").write_text("not part of an archive")
    file = folder / "results.tar.xz"
    build(FIGURES, folder / "runs", folder / "report", formats=("png",), archive_file=file)
    return folder / "report", file


def test_a_report_from_an_archive_equals_the_one_from_the_runs(drawn, tmp_path):
    report, file = drawn
    with archive.unpacked(file) as runs:
        build(FIGURES, runs, tmp_path, formats=("png",))
    names = sorted(path.name for path in report.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert {"fig4.csv", "fig10.csv", "masking.csv", "claims.csv", "claims.json", "fig10.png"} <= set(names)
    assert not [name for name in names if (report / name).read_bytes() != (tmp_path / name).read_bytes()]


def test_the_command_draws_from_an_archive_without_runs(drawn, tmp_path):
    report, file = drawn
    done = bench(
        "report", "fig4", "--from", file, "--out", tmp_path / "out", "--formats", "png", "--runs", tmp_path / "runs"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "fig4.csv").read_bytes() == (report / "fig4.csv").read_bytes()
    assert not (tmp_path / "runs").exists() and not (tmp_path / "out" / "fig4.svg").exists()
    done = bench("report", "--from", tmp_path / "gone.tar.xz", "--runs", tmp_path / "runs")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    done = bench("report", "--formats", "gif", "--runs", tmp_path / "runs")
    assert done.returncode == 2 and "unknown format 'gif'" in done.stderr


def test_the_committed_archive_redraws_the_committed_tables(tmp_path, no_images):
    results = ROOT / "docs" / "results" / "laptop"
    with archive.unpacked(results.with_name("laptop.tar.xz")) as folder:
        build(["fig4", "fig5"], folder, tmp_path, formats=("png",))
    for name in ("fig4.csv", "fig5.csv", "claims.csv"):
        assert (tmp_path / name).read_bytes() == (results / name).read_bytes()
