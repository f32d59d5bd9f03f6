"""A short torture of inputs, and that it notices what it is there for."""

import re

from bench.spec import limits
from tests.torture import inputs


def test_no_mutated_input_fails(tmp_path):
    counts = inputs.torture(0, 25, tmp_path)
    assert counts["tried"] == 25 and counts["failures"] == []
    assert counts["refused"] > 6 and counts["fine"] > 0


def test_it_notices_names_that_leave_the_runs_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "NAME", re.compile(".*", re.DOTALL))
    monkeypatch.setattr(inputs, "mutated", inputs.renamed)  # of all mutations, one in fifty would leave it

    def leave(seed: int) -> bool:
        (tmp_path / str(seed)).mkdir()
        return any("files outside" in failure for failure in inputs.torture(seed, 4, tmp_path / str(seed))["failures"])

    assert any(leave(seed) for seed in range(2, 12))  # about one name in five does
