"""The cost of a command, and the arithmetic on a runs directory."""

import json

import pytest

from bench.errors import BadInput
from bench.speed import command_cost, suite_cost


def test_cost_of_a_command(tmp_path):
    cost = command_cost.run_and_measure(["data", "list", "--data", str(tmp_path)], tmp_path / "log")
    assert "digits" in (tmp_path / "log").read_text()
    assert cost.cpu > 0 and cost.wall > 0


def test_a_command_that_fails_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setattr(command_cost.sys, "executable", "false")
    with pytest.raises(BadInput, match="python -m bench data ended with 1"):
        command_cost.run_and_measure(["data", "list"], tmp_path / "log")


def test_seconds_that_trials_report(tmp_path):
    for name, seconds in (("a", {"train": 1.5, "measure": 0.25}), ("b", {"train": 2.0, "measure": 0.0})):
        (tmp_path / "trials" / name).mkdir(parents=True)
        (tmp_path / "trials" / name / "results.json").write_text(json.dumps({"seconds": seconds}))
    assert suite_cost.trial_seconds(tmp_path) == 3.75


def test_table():
    rows = {"plan": suite_cost.cost_row("plan of 8 networks", command_cost.CommandCost(wall=1.234, cpu=0.5), "≤ 2 s")}
    assert suite_cost.cost_table(rows).splitlines()[-1] == "| plan of 8 networks | 1.23 | 0.50 | ≤ 2 s |"
