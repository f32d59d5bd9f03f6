"""A short torture of inputs, and that it notices what it is there for."""

import re

from bench.spec import limits
from tests.torture.inputs import torture


def test_no_mutated_input_fails(tmp_path):
    counts = torture(0, 40, tmp_path)
    assert counts["tried"] == 40 and counts["failures"] == []
    assert counts["refused"] > 10 and counts["fine"] > 0


def test_it_notices_names_that_leave_the_runs_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "NAME", re.compile(".*", re.DOTALL))

    def leave(seed: int) -> bool:
        (tmp_path / str(seed)).mkdir()
        return any("files outside" in failure for failure in torture(seed, 80, tmp_path / str(seed))["failures"])

    assert any(leave(seed) for seed in range(1, 6))  # about one mutation in fifty does
