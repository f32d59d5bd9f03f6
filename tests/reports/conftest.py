import pytest

from reports.plots import style


@pytest.fixture(scope="session", autouse=True)
def few_pixels():
    """Draw PNGs of few pixels, at which no test looks: at 300 dpi they are most of the time of a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style.RC, "savefig.dpi", 50)
        yield


@pytest.fixture
def no_claims(monkeypatch):
    """Judge no claims in a report, for tests of other things: claims take a third of the time of a small report."""
    monkeypatch.setattr("reports.build.judge.write", lambda *_: [])
