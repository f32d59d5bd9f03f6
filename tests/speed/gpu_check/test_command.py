"""`python -m bench.speed gpu-check`: shares of the time, the page after each row, and every way to end."""

import json

import pytest

from bench.interruption import Interrupted
from bench.speed.__main__ import main as speed
from bench.speed.gpu_check import command
from bench.speed.gpu_check.part_process import PartFailed, PartStopped
from bench.speed.gpu_check.parts import PARTS
from tests.speed.gpu_check.results import rows_on


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Run the command with parts that yield `rows`, each after some seconds, or raise what `ends` says after the first.
    Returns (exit code, results, page, {part: request})."""
    monkeypatch.setattr(command, "catch_signals", lambda: None)

    def run(*arguments: str, rows: dict | None = None, ends: dict | None = None, seconds: float = 1.0):
        now, requests, rows = [0.0], {}, rows or rows_on("cuda")
        monkeypatch.setattr(command, "monotonic", lambda: now[0])

        def part_rows(name, request):
            requests[name] = request
            for index, row in enumerate(rows[name]):
                now[0] += seconds
                yield row
                if "skipped" in row:
                    return
                stored = json.loads((tmp_path / "gpu-check.json").read_text())["parts"][name]
                assert stored["rows"][-1] == row and stored["state"] == "running" and stored["seconds"] > 0
                assert PARTS[name].title in (tmp_path / "gpu-check.md").read_text()
                if index == 0 and name in (ends or {}):
                    raise ends[name]

        monkeypatch.setattr(command, "part_rows", part_rows)
        with pytest.raises(SystemExit) as ended:
            speed(["gpu-check", "--out", str(tmp_path), *arguments])
        results = json.loads((tmp_path / "gpu-check.json").read_text())
        return ended.value.code, results, (tmp_path / "gpu-check.md").read_text(), requests

    return run


def test_all_parts(check, tmp_path):
    (tmp_path / "OAT.py").touch()
    page_file = tmp_path / "performance.md"
    page_file.write_text("before\n<!-- gpu-check -->\nold\n<!-- /gpu-check -->\nafter\n")
    code, results, page, requests = check("--reference", str(tmp_path), "--page", str(page_file))
    assert code == 0 and [part["state"] for part in results["parts"].values()] == ["done"] * len(PARTS)
    assert list(requests) == list(PARTS) and requests["device"].device == "auto" and requests["steps"].device == "cuda"
    assert requests["steps"].reference == str(tmp_path.resolve()) and str(tmp_path) not in page
    summary = page.partition("## Summary, for docs/performance.md\n\n")[2]
    assert summary.strip() in page_file.read_text() and "old" not in page_file.read_text()


@pytest.mark.parametrize("seconds", [1.0, 40.0])
def test_no_part_gets_more_time_than_is_left(check, seconds):
    """Also where parts take longer than their shares."""
    _, results, _, requests = check("--minutes", "5", seconds=seconds)
    spent, end = 0.0, 300 - 16  # two graces for the last part's process
    for name, part in results["parts"].items():
        if name in requests:
            assert 0 < requests[name].seconds <= end - spent
        else:
            assert spent >= end and part["state"] == "not reached"
        spent += part["seconds"]
    assert (len(requests) == len(PARTS)) == (seconds == 1.0)


def test_parts_that_end_early(check):
    ends = {"loss": PartStopped(), "steps": PartFailed("RuntimeError: CUDA error")}
    code, results, page, _ = check(ends=ends)
    states = {name: part["state"] for name, part in results["parts"].items()}
    assert states["loss"].startswith("stopped after its ") and states["steps"] == "failed: RuntimeError: CUDA error"
    assert states["attack"] == states["suite"] == "done" and code == 1
    assert "part steps failed: RuntimeError: CUDA error" in page and "none before this is mended" in page


@pytest.mark.parametrize(("error", "code"), [(Interrupted(2), 130), (Interrupted(15), 143)])
def test_a_signal_leaves_what_was_measured(check, error, code):
    ended, results, page, _ = check(ends={"attack": error})
    states = {name: part["state"] for name, part in results["parts"].items()}
    assert ended == code and states["attack"] == "interrupted" and states["suite"] == "not reached"
    assert len(results["parts"]["steps"]["rows"]) == 2 and "gpu engine, bf16" in page


def test_a_part_that_cannot_run_is_skipped(check):
    rows = rows_on("cpu") | {"suite": [{"skipped": "ray not installed (make setup)"}]}
    code, results, page, _ = check("--only", "suite", rows=rows)
    assert code == 0 and list(results["parts"]) == ["device", "suite"]
    assert "| A suite with a killed worker | skipped: ray not installed (make setup) |" in page
    assert "**No GPU was measured**" in page and "none: there was no GPU" in page


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--only", "losses"], "unknown part 'losses', did you mean 'loss'?"),
        (["--batch", "1"], "--batch 1: a step needs at least 2 images"),
        (["--reference", "nowhere"], "nowhere has no OAT.py"),
        (["--page", "nowhere.md"], "nowhere.md has no lines <!-- gpu-check -->"),
        (["--minutes", "0.1"], "'0.1' is no number of minutes, at least 0.5"),
    ],
)
def test_bad_input(arguments, line, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        speed(["gpu-check", "--out", str(tmp_path), *arguments])
    assert ended.value.code == 2 and line in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_without_a_device_nothing_is_measured(tmp_path, monkeypatch, capsys):
    def no_device(name, request):
        raise PartFailed("torch sees no GPU: --device cpu")
        yield

    monkeypatch.setattr(command, "part_rows", no_device)
    monkeypatch.setattr(command, "catch_signals", lambda: None)
    with pytest.raises(SystemExit) as ended:
        speed(["gpu-check", "--out", str(tmp_path), "--device", "cuda"])
    assert ended.value.code == 2 and capsys.readouterr().err.endswith("torch sees no GPU: --device cpu\n")
    assert json.loads((tmp_path / "gpu-check.json").read_text())["parts"]["loss"]["state"] == "not reached"
