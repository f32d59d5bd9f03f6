"""What a command costs, and the arithmetic on a runs directory."""

import json

import pytest

from bench.errors import BadInput
from bench.speed import commands, suite


def test_cost_of_a_command(tmp_path):
    cost = commands.run(["data", "list", "--data", str(tmp_path)], tmp_path / "log")
    assert "digits" in (tmp_path / "log").read_text()
    assert cost.cpu > 0 and cost.wall > 0


def test_a_command_that_fails_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setattr(commands.sys, "executable", "false")
    with pytest.raises(BadInput, match="python -m bench data ended with 1"):
        commands.run(["data", "list"], tmp_path / "log")


def test_what_trials_say_they_spent(tmp_path):
    for name, seconds in (("a", {"train": 1.5, "measure": 0.25}), ("b", {"train": 2.0, "measure": 0.0})):
        (tmp_path / "trials" / name).mkdir(parents=True)
        (tmp_path / "trials" / name / "results.json").write_text(json.dumps({"seconds": seconds}))
    assert suite.spent(tmp_path) == 3.75


def test_table():
    rows = {"plan": suite.row("plan of 8 networks", commands.Cost(wall=1.234, cpu=0.5), "≤ 2 s")}
    assert suite.table(rows).splitlines()[-1] == "| plan of 8 networks | 1.23 | 0.50 | ≤ 2 s |"
