"""A part's process: its rows, its end by itself, by an error, and by the time limit."""

import time

import pytest

from bench.speed.gpu_check.part_process import PartFailed, PartStopped, rows_of


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def rows_until(error: type[Exception], script: str, seconds: float) -> tuple[list[dict], str]:
    rows = []
    with pytest.raises(error) as raised:
        rows.extend(iter_into(rows, rows_of(shell(script), seconds)))
    return rows, str(raised.value)


def iter_into(rows: list, iterator):
    """Append as the rows come, so that those before an error are kept."""
    for row in iterator:
        rows.append(row)
    return ()


def test_rows_come_one_by_one():
    rows = rows_of(shell("""echo '{"a": 1}'; read _; echo '{"a": 2}'; echo noise >&2"""), 20)
    assert next(rows) == {"a": 1} and list(rows) == [{"a": 2}]


def test_an_error_keeps_the_rows_before_it():
    script = """echo '{"a": 1}'; printf '{"a": '; echo 'RuntimeError: CUDA error' >&2; echo >&2; exit 3"""
    assert rows_until(PartFailed, script, 20) == ([{"a": 1}], "RuntimeError: CUDA error")
    assert rows_until(PartFailed, "kill -9 $$", 20) == ([], "its process ended with -9")


def test_at_the_limit_the_part_and_its_children_are_gone(tmp_path):
    alive = tmp_path / "alive"
    script = f"""(trap 'echo >> {alive}' TERM; sleep 60 & wait) & echo '{{"a": 1}}'; wait"""
    began = time.monotonic()
    assert rows_until(PartStopped, script, 0.3) == ([{"a": 1}], "")
    assert time.monotonic() - began < 5 and alive.exists()  # the child was told to end


def test_a_part_that_ignores_the_polite_signal_is_killed(monkeypatch):
    monkeypatch.setattr("bench.speed.gpu_check.part_process.GRACE_SECONDS", 0.1)
    assert rows_until(PartStopped, "trap '' TERM; while :; do sleep 60; done", 0.2) == ([], "")
