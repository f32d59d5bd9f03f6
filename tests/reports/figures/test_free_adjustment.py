"""Figure `free`: segments add up to the six trainings, and the table names their parts."""

import shutil

import pandas as pd
import pytest

from reports.figures import FIGURES
from reports.figures.free_adjustment import COLUMNS
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.plots import style
from tests.reports import claims_world

FREE = FIGURES["free"]


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    """Every training takes 10 s and 5·10⁹ MACs; a batch 5 ms, and 5.5 ms with a switch."""
    runs = tmp_path_factory.mktemp("free")
    claims_world.suites(runs, ["slimming"], only=("adjustment",))
    return load_view(read_plans(runs)[0], runs, "free", "laptop", FREE.keep)


def test_the_segments_of_a_bar_are_its_trainings(view):
    with style.paper():
        axes = FREE.draw(view).axes
    for ax, cost in zip(axes[:2], (5.0, 10.0), strict=True):
        bars = [(round(bar.get_y() + bar.get_height() / 2), bar.get_x(), bar.get_width()) for bar in ax.patches]
        assert [bar[1:] for bar in bars if bar[0] == 0] == [pytest.approx((cost * i, cost)) for i in range(6)]
        assert [bar[1:] for bar in bars if bar[0] == 1] == [pytest.approx((0, cost))]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["PGD-AT", "OAT (dual BN)"]
    widths = sorted(bar.get_width() for bar in axes[2].patches)
    assert widths == pytest.approx([0.5, 5.0, 5.0])


def test_the_table_has_the_parts(view):
    (table,) = FREE.summary(view)
    pgd_at, oat = table["rows"]
    assert (pgd_at["networks"], oat["networks"]) == ("6", "1")
    assert (pgd_at["of PGD-AT's"], oat["of PGD-AT's"], oat["of PGD-AT's time"]) == ("1.00", "0.17", "0.17")
    assert (pgd_at["ms more with a switch of λ"], oat["ms more with a switch of λ"]) == ("–", "+0.50")


def test_the_csv_has_a_row_per_network(view):
    table = FREE.csv(view)
    assert list(table.columns) == COLUMNS and len(table) == 7 * 3 and table.key.is_unique
    assert set(table.training_seconds) == {10.0} and isinstance(table, pd.DataFrame)
    assert table.switched_milliseconds.notna().sum() == 3


def test_nothing_finished(tmp_path):
    claims_world.suites(tmp_path, ["slimming"], only=("adjustment",))
    shutil.rmtree(tmp_path / "trials")
    empty = load_view(read_plans(tmp_path)[0], tmp_path, "free", "laptop", FREE.keep)
    with style.paper():
        axes = FREE.draw(empty).axes
    assert all("no network has finished" in [text.get_text() for text in ax.texts] for ax in axes)
    assert FREE.summary(empty)[0]["rows"] == [] and "missing" in FREE.caption(empty)
