"""Check the free space of the disk against what a plan will write."""

import shutil
from pathlib import Path

from bench.errors import BadInput
from bench.run.execution_plan import ExecutionPlan
from bench.spec.trial import Trial

BYTES_PER_PARAMETER = 4.2  # fp32, with BN's statistics and the file's header
BYTES_PER_TRIAL, BYTES_PER_COMMAND = 2**20, 64 * 2**20  # rows and MLflow's index; figures, logs, MLflow's store


def require_space(plan: ExecutionPlan) -> None:
    """Raise BadInput where the disk of the runs directory has less free space than the plan will write."""
    folder, needed = existing_parent(plan.request.runs), bytes_to_write(plan)
    free = shutil.disk_usage(folder).free
    if free < needed:
        sizes = f"about {needed / 1e9:.2f} GB will be written and {free / 1e9:.2f} GB are free"
        raise BadInput(f"{plan.request.runs}: {sizes}: free some space, or choose another disk with --runs")


def bytes_to_write(plan: ExecutionPlan) -> float:
    """Weights of the remaining trials, and checkpoints of those that run at once."""
    weights = [weights_bytes(plan, trial) for trial in plan.remaining]
    # network, momentum and selected weights, written anew beside the last checkpoint
    checkpoints = sorted((2 * (2 * network + all_selected) for network, all_selected in weights), reverse=True)
    kept = sum(all_selected + BYTES_PER_TRIAL for _, all_selected in weights)
    return kept + sum(checkpoints[: plan.slots]) + BYTES_PER_COMMAND


def weights_bytes(plan: ExecutionPlan, trial: Trial) -> tuple[float, float]:
    """(bytes of one set of weights, bytes of all that the trial selects)."""
    recipe = trial.recipe
    network_bytes = BYTES_PER_PARAMETER * plan.estimator.parameters(recipe, plan.infos[trial.key])
    selections = 1
    if recipe.protocol.selection == "each":
        selections += 2 * len(recipe.lambdas or (recipe.lam,)) * max(len(recipe.widths), 1)
    return network_bytes, selections * network_bytes


def existing_parent(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
