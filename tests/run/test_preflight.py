"""The preflight's table, with made-up nodes; tests/run/test_cluster.py runs the preflight on real ones."""

from types import SimpleNamespace

from rich.console import Console

LONG = "Intel(R) Xeon(R) Platinum 8480+ Processor"
PROBLEM = "does not see the files that the command writes to /shared/runs: put --runs on a shared file system"


def test_a_narrow_terminal_cuts_nothing_off(capsys):
    from bench.run.preflight import table_of  # imports Ray: not while tests are collected

    nodes = [SimpleNamespace(id=i, name=f"gpu-{i} (10.0.0.{i})", slots=8, facts={"torch": "2.15.0"}) for i in (1, 2, 3)]
    workers = SimpleNamespace(nodes=nodes, model=lambda node: LONG)
    answers = {1: {"free": [80 * 10**9, 70 * 10**9]}, 2: {"free": [8 * 10**9]}, 3: "no answer within 120 s"}
    table = table_of(workers, answers, {1: None, 2: PROBLEM, 3: answers[3]})
    Console(width=80).print(table)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    letters = "".join("".join(lines).split())
    assert "2×≥70GBready" in letters and "…" not in letters
    words = [*LONG.split(), *(word for word in PROBLEM.split() if len(word) < 8), "8.0 GB", "within", "(10.0.0.3)"]
    assert not [word for word in words if word not in " ".join(lines)]
