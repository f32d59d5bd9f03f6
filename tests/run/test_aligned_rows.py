"""Lists cut nothing, whatever the width of the terminal."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from bench.run.aligned_rows import print_rows, print_whole
from bench.run.execution_plan import ExecutionPlan
from bench.run.progress_display import ProgressDisplay, TrialProgress

NAME = "oat-dual [dct-16] :smile: · fashion-mnist-8k pooled 2×2 · wrn-10-1 · lr 0.1"
ROWS = [(NAME, "0–2", "a632f0c1 0dbcadbe 59453067"), ("pgd-at λ=0", "1", "51d71425")]


def printed(width: int, is_terminal: bool) -> list[str]:
    out = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None, markup=False)
    print_rows(("network", "seeds", "keys"), ROWS, out, folds=0)
    return out.file.getvalue().splitlines()


def test_a_pipe_has_a_whole_aligned_line_per_row():
    header, first, second = printed(80, is_terminal=False)
    assert first == f"{NAME}  0–2    a632f0c1 0dbcadbe 59453067"
    assert [line.index(text) for line, text in ((header, "seeds"), (first, "0–2"), (second, "1  "))] == [77, 77, 77]


@pytest.mark.parametrize("width", [30, 70, 90, 200])
def test_a_terminal_of_any_width_loses_no_character(width):
    lines = printed(width, is_terminal=True)
    text = "".join("".join(lines).split())
    for row in ROWS:
        for key in row[2].split():
            assert any(key in line for line in lines)  # a key is not folded
    if width < 70 or width > 150:
        assert "".join(NAME.split()) in text
    letters = sorted("".join("".join(("networkseedskeys", *map("".join, ROWS))).split()))
    assert sorted(text) == letters


def test_a_name_folds_where_the_other_columns_leave_room():
    lines = printed(90, is_terminal=True)
    assert len(lines) == 4 and max(map(len, lines)) <= 90
    assert lines[2].startswith("a632f0c1") is False and "0dbcadbe" in lines[1]


def test_live_progress_folds_a_long_name():
    out = Console(file=io.StringIO(), width=70, force_terminal=True, color_system=None)
    display = ProgressDisplay(out, ExecutionPlan(None, [], [], {}), [], 2)
    display.running["a"] = TrialProgress(NAME.replace("[dct-16] :smile: ", ""), 30, epoch=2, epochs=10)
    out.print(display.render())
    drawn = iter(out.file.getvalue())  # how wide the name's column is depends on the times beside it
    assert all(character in drawn for character in "oat-dual·fashion-mnist-8kpooled2×2·wrn-10-1·lr0.1")


def test_a_table_of_numbers_is_whole_on_a_narrow_terminal():
    out, table = Console(file=io.StringIO(), width=12, force_terminal=True, color_system=None), Table(box=None)
    for name in ("lam", "clean_correct", "robust_correct"):
        table.add_column(name)
    table.add_row("0.3", "1507", "914")
    print_whole(table, out)
    rows = [line.split() for line in out.file.getvalue().splitlines()]
    assert rows == [["lam", "clean_correct", "robust_correct"], ["0.3", "1507", "914"]]
