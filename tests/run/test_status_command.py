"""`status` and `plan`: seeds of a network in one line, JSON, and the next command."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from bench.run.execution_plan import START_SECONDS, ExecutionPlan
from bench.run.plan_command import print_plan
from bench.run.plan_files import write_plan
from bench.run.seed_groups import by_seed, name_of, seeds_of
from bench.run.status_command import print_status
from bench.trial_dir import write_failure
from tests.finished_runs import request, write_runs


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two networks of three seeds; of seed 0 one is finished and one half trained; the others have not begun."""
    runs = write_runs(tmp_path, monkeypatch)
    for plan in replace(request(tmp_path), seeds=3).plans():
        write_plan(plan, runs, "python -m bench run first.yaml --seeds 3")
    return runs


def printed(runs) -> list[str]:
    out = Console(file=io.StringIO(), width=60, markup=False)
    print_status(runs, out)
    return out.file.getvalue().splitlines()


def test_seeds_share_a_line_that_counts_their_states(runs):
    header, first, second, shared, counts, *_ = printed(runs)
    assert header.split() == ["network", "scale", "seeds", "state", "keys"]
    assert "pgd-at λ=0  " in first and "0–2" in first and "1 finished, 2 waiting" in first
    assert "pgd-at λ=0.3  " in second and "1 training 2/15, 2 waiting" in second
    assert len(first.split("waiting")[1].split()) == 3  # keys
    assert shared == "all networks: digits · wrn-10-1 · lr 0.1"
    assert counts == "1 finished, 1 training, 4 waiting"


def test_the_next_command_is_that_of_the_plans_with_unfinished_networks(runs):
    assert "next, unless it is running: python -m bench run first.yaml --seeds 3" in printed(runs)


def test_a_failure_names_network_and_reason(runs):
    directory = next(path for path in (runs / "trials").iterdir() if (path / "checkpoint").is_dir())
    write_failure(directory, "the loss is not finite", "progress.jsonl")
    lines = printed(runs)
    assert (
        f"failed: pgd-at λ=0.3 · digits · wrn-10-1 · lr 0.1 · seed 0 ({directory.name[:8]}): the loss is not finite"
        in lines
    )
    assert any("1 failed, 2 waiting" in line for line in lines)


def test_json_has_every_network_with_its_whole_key(runs, capsys):
    print_status(runs, Console(file=io.StringIO()), as_json=True)
    status = json.loads(capsys.readouterr().out)
    assert status["states"] == {"finished": 1, "training": 1, "waiting": 4} and status["damaged"] == []
    assert len({trial["key"] for trial in status["trials"]}) == 6
    (training,) = [trial for trial in status["trials"] if trial["state"] == "training"]
    assert training["seed"] == 0 and (training["epoch"], training["epochs"]) == (2, 15) and training["failure"] is None
    assert (runs / "trials" / training["key"]).is_dir()


def test_a_plan_groups_seeds_too_and_its_time_includes_the_start(runs, tmp_path, monkeypatch):
    three_seeds = replace(request(tmp_path), seeds=3)
    out = Console(file=io.StringIO(), width=60, markup=False)
    print_plan(three_seeds, False, out)
    header, first, second, *rest = out.file.getvalue().splitlines()
    assert "0–2" in first and "fig4" in first and "1 cached" in first and "0–2" in second
    assert rest[-1].startswith("next: python -m bench run")
    plan = ExecutionPlan.of(three_seeds)
    longest = max(plan.costs[trial.key]["seconds_left"] for trial in plan.remaining)
    assert plan.wall_seconds() > longest + START_SECONDS - 1e-9
    finished = ExecutionPlan.of(request(tmp_path))
    finished.__dict__["missing"] = {trial.key: [] for trial in finished.trials}
    assert finished.wall_seconds() == 0


def test_networks_that_differ_in_more_than_the_seed_are_apart():
    def network(seed: int, epochs: int) -> dict:
        recipe = {"seed": seed, "epochs": epochs}
        return {"key": f"{seed}{epochs}", "name": f"oat · seed {seed}", "seed": seed, "recipe": recipe}

    groups = by_seed([network(3, 1), network(0, 1), network(0, 2), network(1, 1)])
    assert [[n["key"] for n in group] for group in groups] == [["01", "11", "31"], ["02"]]
    assert [seeds_of(group) for group in groups] == ["0, 1, 3", "0"] and name_of(groups[0]) == "oat"
