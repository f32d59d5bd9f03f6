import pytest

from reports.plots import style


@pytest.fixture(scope="session", autouse=True)
def few_pixels():
    """Draw PNGs of few pixels, at which no test looks: at 300 dpi they are most of the time of a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style.RC, "savefig.dpi", 50)
        yield


@pytest.fixture
def no_images(monkeypatch):
    """Write empty images, for tests of tables and links: drawing is most of the time of a small report."""

    def draw(spec, view, images, look):
        for path in images.values():
            path.write_bytes(b"image")

    monkeypatch.setattr("reports.figures.figure_files.draw", draw)


@pytest.fixture
def no_claims(monkeypatch):
    """Judge no claims in a report, for tests of other things: claims take a third of the time of a small report."""
    monkeypatch.setattr("reports.build.judge.write", lambda *_: [])
