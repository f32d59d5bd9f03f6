"""`python -m bench.speed --against`: two checkouts' steps in turn."""

import json
import shutil

import pytest

from bench import ROOT
from bench.speed import checkout_comparison
from bench.speed.__main__ import main
from bench.speed.step_process import FirstStep, StepFailed

REQUEST = {"workload": "digits", "task": "oat", "implementation": "ours-fp32"}


class RecordedProcess:
    """Stands in for StepProcess: records the order of the steps, which take the seconds given for a checkout."""

    def __init__(self, root, order, seconds, first=3.0):
        self.root, self.order, self.seconds, self.first = root, order, iter(seconds), first

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.order.append(f"{self.root} ends")

    def wait_until_built(self):
        pass

    def first_step(self):
        self.order.append(f"{self.root} first")
        return FirstStep({"a": 30, "b": 10}[self.root], {"a": 110, "b": 100}[self.root], self.first)

    def seconds_per_step(self, least=0.0):
        self.order.append(self.root if least else f"{self.root} warms up")
        return next(self.seconds) if least else 0.1


def compare(monkeypatch, first):
    order, seconds = [], {"a": [2.0, 3.0, 8.0], "b": [1.0, 2.0, 2.0]}

    def recorded(root, **_):
        return RecordedProcess(root, order, seconds[root], first)

    monkeypatch.setattr(checkout_comparison, "StepProcess", recorded)
    return order, checkout_comparison.compare_row({"this": "a", "other": "b"}, REQUEST, rounds=3, warmup=2)


def test_checkouts_take_turns_in_alternating_order(monkeypatch):
    order, row = compare(monkeypatch, first=3.0)
    assert order == ["a first", "b first", "a", "b", "b", "a", "a", "b", "b ends", "a ends"]
    assert row["seconds"] == {"this": [2.0, 3.0, 8.0], "other": [1.0, 2.0, 2.0]}
    assert row["time_ratio"] == {"median": 2.0, "low": 1.5, "high": 4.0}
    assert row["peak_bytes"] == {"this": 30, "other": 10} and row["process_bytes"] == {"this": 110, "other": 100}
    assert row["memory_ratio"] == pytest.approx(1.1)


def test_short_steps_are_warmed_up(monkeypatch):
    order, _ = compare(monkeypatch, first=0.1)
    assert order[:4] == ["a first", "a warms up", "b first", "b warms up"]


@pytest.mark.parametrize(
    ("low", "median", "high", "expected"),
    [(0.9, 1.0, 1.2, "ok"), (1.0, 1.03, 1.2, "ok"), (1.02, 1.04, 1.1, "unclear"), (1.04, 1.05, 1.06, "OVER")],
)
def test_verdict(low, median, high, expected):
    assert checkout_comparison.verdict(low, median, high, limit=1.03) == expected


def test_this_checkout_against_a_copy_of_it(tmp_path, capsys, monkeypatch):
    """The row before the first, in which each checkout compiles its kernels, is only asked for here."""
    monkeypatch.setenv("BENCH_ENGINE", "eager")  # the copy would compile its own
    monkeypatch.setattr(checkout_comparison, "LEAST_SECONDS", 0.01)
    copy, out = tmp_path / "copy", tmp_path / "speed.json"
    shutil.copytree(ROOT / "bench", copy / "bench")
    real, compiled = checkout_comparison.compare_row, []

    def compare_row(checkouts, arguments, rounds, warmup):
        if compiled:
            return real(checkouts, arguments, rounds, warmup)
        compiled.append((checkouts, arguments["implementation"], rounds, warmup))
        return {}

    monkeypatch.setattr(checkout_comparison, "compare_row", compare_row)
    arguments = ["--against", str(copy), "--only", "digits", "--tasks", "oat", "--precisions", "bf16", "--batch", "8"]
    main([*arguments, "--rounds", "1", "--warmup", "1", "--threads", "1", "--device", "cpu", "--out", str(out)])
    assert compiled == [({"this": ROOT, "other": copy}, "ours-bf16", 1, 1)]
    (row,) = json.loads(out.read_text())["rows"]
    assert (row["network"], row["task"], row["precision"], row["images"]) == ("digits", "oat", "bf16", 8)
    for name in ("this", "other"):
        assert row["seconds"][name] and 0 < row["peak_bytes"][name] < row["process_bytes"][name]
    text = capsys.readouterr().out
    assert "the other unknown" in text and "| digits | 8 | oat | bf16 |" in text and str(tmp_path) not in text


TORCH = """# Stands in for torch, which takes seconds to import, in a checkout whose steps are not run.
device = str


def set_num_threads(number):
    pass
"""


def test_a_checkout_that_cannot_run_the_step(tmp_path, capsys, monkeypatch):
    (tmp_path / "bench" / "speed").mkdir(parents=True)
    (tmp_path / "bench" / "__init__.py").touch()
    (tmp_path / "bench" / "speed" / "__init__.py").touch()
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.setattr(checkout_comparison, "ROOT", tmp_path)  # this checkout, too
    with pytest.raises(SystemExit) as ended:
        main(["--against", str(tmp_path), "--only", "digits", "--tasks", "oat", "--device", "cpu", "--threads", "1"])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.startswith("digits, oat, ours-fp32: ImportError") and error.count("\n") == 1


def test_failed_steps_are_bad_input(monkeypatch):
    def fail(*_):
        raise StepFailed("killed")

    monkeypatch.setattr(RecordedProcess, "first_step", fail)
    with pytest.raises(checkout_comparison.BadInput, match="digits, oat, ours-fp32: killed"):
        compare(monkeypatch, first=1.0)
