"""Which epoch's network is reported (ledger row 5). Chosen on held-out training images, never on the test set."""

import json
from pathlib import Path

import torch

from bench.atomic_write import write_tensors
from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe
from bench.training.checkpoint import State, snapshot

ONE = "one"  # the tag of the network chosen by the mean over λ (and widths) of (SA + RA)/2


def consider(state: State, net: ConditionalNetwork, recipe: Recipe, rows: list[dict], epoch: int) -> dict:
    """Keep this epoch's weights under each tag whose score it betters. Returns the row's held-out means."""
    sa = [row["clean_correct"] / row["n"] for row in rows]
    ra = [row["robust_correct"] / row["n"] for row in rows]
    mean_sa, mean_ra = sum(sa) / len(sa), sum(ra) / len(ra)
    score = (mean_sa + mean_ra) / 2
    scores = {ONE: score}
    if recipe.protocol.selection == "each":
        for row, a, r in zip(rows, sa, ra, strict=True):
            scores |= {tag("SA", row["lam"], row["width"]): a, tag("RA", row["lam"], row["width"]): r}
    now = None
    for name, value in scores.items():
        last_epoch_wins = recipe.protocol.selection == "last"
        if last_epoch_wins or name not in state.best or value > state.best[name]["score"]:
            now = now or snapshot(net)
            state.best[name], state.weights[name] = {"score": value, "epoch": epoch}, now
    return {"heldout_sa": mean_sa, "heldout_ra": mean_ra, "score": score}


def tag(metric: str, lam: float, width: float = 1.0) -> str:
    return f"{metric}@{lam:g}" + ("" if width == 1 else f"w{width:g}")


def write(state: State, net: ConditionalNetwork, recipe: Recipe, directory: Path) -> None:
    """`weights.safetensors` for the one selected network; `weights-SA@0.1.safetensors` … where each metric has one."""
    for name in sorted(state.weights, key=lambda name: name == ONE):  # ONE last: it says that training is complete
        suffix, best = "" if name == ONE else f"-{name}", state.best[name]
        about = {"recipe": recipe.model_dump(mode="json"), "heldout": best}
        # in one entry: several would be written in an order that changes from run to run
        metadata = {"about": json.dumps(about, sort_keys=True)}
        write_tensors(directory / f"weights{suffix}.safetensors", state.weights[name], metadata)


def selected(directory: Path) -> dict:
    """Held-out {"score", "epoch"} of the one selected network."""
    from safetensors import safe_open

    with safe_open(directory / "weights.safetensors", "pt") as file:
        return json.loads(file.metadata().get("about", "{}")).get("heldout", {})


def load(net: ConditionalNetwork, directory: Path, name: str = ONE) -> None:
    """Put the weights selected under `name` into the network."""
    from safetensors.torch import load_file

    suffix = "" if name == ONE else f"-{name}"
    net.load_state_dict(load_file(directory / f"weights{suffix}.safetensors"))
    net.eval()


def nearest_tag(metric: str, lam: float, recipe: Recipe, width: float = 1.0) -> str:
    """The tag whose weights report `metric` at λ: the nearest trained λ's under `each`, the one network's otherwise."""
    if recipe.protocol.selection != "each":
        return ONE
    trained = torch.tensor(recipe.lambdas or (recipe.lam,))
    return tag(metric, float(trained[(trained - lam).abs().argmin()]), width)
