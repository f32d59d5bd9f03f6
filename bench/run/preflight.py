"""Preflight: before any training on a cluster, a short task on each node says whether trials would fail there."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from bench.errors import BadInput
from bench.human_units import format_bytes
from bench.run.cluster_workers import ClusterWorkers, ask
from bench.run.execution_plan import ExecutionPlan
from bench.run.node_check import SHARED, check_node, check_request


@contextmanager
def checked_nodes(plan: ExecutionPlan, console: Console) -> Iterator[dict]:
    """A context in which trials may run on the cluster's nodes. Prints a table of them.

    Yields what nodes that join later are to check. Raises BadInput for the first node on which a trial would fail.
    """
    workers, folder = plan.request.workers, plan.request.runs / "preflight"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        nonce = secrets.token_hex()
        (folder / "nonce").write_text(nonce, encoding="utf-8")
        sources = {trial.source: trial.recipe.data_hash for trial in plan.remaining}
        request = check_request(folder, nonce, sources, plan.request.data_root)
        gpu_bytes = trials_bytes(plan, workers) if workers.gpus_per_trial else None
        answers = ask(check_node, {node.id: (request, node.id, gpu_bytes) for node in workers.nodes}, bool(gpu_bytes))
        problems = {key: problem_of(answer) for key, answer in answers.items()}
        for key in problems:
            if not problems[key] and not (folder / key).exists():  # written there, and not seen here
                problems[key] = f"writes to another {plan.request.runs} than the command's: {SHARED}"
        console.print(table_of(workers, answers, problems))
        refused = [f"{node.name}: {problems[node.id]}" for node in workers.nodes if problems[node.id]]
        if refused:
            raise BadInput(refused[0] + f" (and {len(refused) - 1} more nodes, see above)" * (len(refused) > 1))
        yield request
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def problem_of(answer: dict | str) -> str | None:
    return answer if isinstance(answer, str) else answer["problem"]


def trials_bytes(plan: ExecutionPlan, workers: ClusterWorkers) -> int:
    """Least memory that the trials at once on one GPU take, by the largest remaining network."""
    trials_per_gpu = max(1, int(1 / workers.gpus_per_trial + 1e-9))
    return trials_per_gpu * max(
        (plan.estimator.training_bytes(trial.recipe, plan.infos[trial.key]) for trial in plan.remaining), default=0
    )


def table_of(workers: ClusterWorkers, answers: dict[str, dict | str], problems: dict[str, str | None]) -> Table:
    """A row per node: its name, trials at once, hardware, torch, free memory of its GPUs (at least, of several), and
    whether it can be used."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("node", "trials at once", "hardware", "torch", "free GPU memory", ""):
        table.add_column(column, no_wrap=column in ("trials at once", "torch"), overflow="fold")
    for node in workers.nodes:
        answer = answers[node.id] if isinstance(answers[node.id], dict) else {}
        free = [format_bytes(available) for available in sorted(answer.get("free", []))]
        free = f"{len(free)} × ≥ {free[0]}" if len(free) > 1 else "".join(free) or "–"
        state = problems[node.id] or answer.get("no_compiler") or "ready"
        table.add_row(node.name, str(node.slots), workers.model(node), node.facts["torch"], free, state)
    return table
