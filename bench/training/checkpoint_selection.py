"""Checkpoint selection: which epoch's network is reported (ledger row 5), by held-out training images alone."""

import json
from pathlib import Path

import torch

from bench import trial_manifest
from bench.damaged_files import Damaged
from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe
from bench.training.checkpoint import UNREADABLE, State, snapshot

ONE = "one"  # the tag of the network chosen by the mean over λ (and widths) of (SA + RA)/2


def consider(state: State, net: ConditionalNetwork, recipe: Recipe, rows: list[dict], epoch: int) -> dict:
    """Store this epoch's weights under each tag whose score improves. Returns the held-out means over `rows`."""
    sa = [row["clean_correct"] / row["n"] for row in rows]
    ra = [row["robust_correct"] / row["n"] for row in rows]
    mean_sa, mean_ra = sum(sa) / len(sa), sum(ra) / len(ra)
    score = (mean_sa + mean_ra) / 2
    scores = {ONE: score}
    if recipe.protocol.selection == "each":
        for row, row_sa, row_ra in zip(rows, sa, ra, strict=True):
            scores |= {tag("SA", row["lam"], row["width"]): row_sa, tag("RA", row["lam"], row["width"]): row_ra}
    weights = None
    for name, value in scores.items():
        last_epoch_wins = recipe.protocol.selection == "last"
        if last_epoch_wins or name not in state.best or value > state.best[name]["score"]:
            weights = weights or snapshot(net)
            state.best[name], state.weights[name] = {"score": value, "epoch": epoch}, weights
    return {"heldout_sa": mean_sa, "heldout_ra": mean_ra, "score": score}


def tag(metric: str, lam: float, width: float = 1.0) -> str:
    """Name the selection by a metric at a λ and width, e.g. `SA@0.1` or `RA@1w0.5`."""
    return f"{metric}@{lam:g}" + ("" if width == 1 else f"w{width:g}")


def write(state: State, net: ConditionalNetwork, recipe: Recipe, directory: Path, shape: tuple[int, ...]) -> None:
    """Write `weights.safetensors`, the one selected network, and `weights-<tag>.safetensors` for every other tag.

    shape: (C, H, W) of the images. Raises NotFinite.
    """
    for name in sorted(state.weights, key=lambda name: name == ONE):  # ONE last: it says that training is complete
        suffix, best = "" if name == ONE else f"-{name}", state.best[name]
        facts = {"recipe": recipe.model_dump(mode="json"), "heldout": best, "shape": shape}
        # one entry, because the order of several would change from run to run
        metadata = {"about": json.dumps(facts, sort_keys=True)}
        file = f"weights{suffix}.safetensors"
        trial_manifest.write_tensors(directory, file, state.weights[name], recipe.key, metadata)


def selected(directory: Path) -> dict:
    """Read the held-out {"score", "epoch"} of the one selected network."""
    return about(directory).get("heldout", {})


def about(directory: Path) -> dict:
    """Read {"recipe", "heldout", "shape": [C, H, W]} of the one selected network. Earlier versions wrote no shape."""
    content = trial_manifest.verified_bytes(directory, "weights.safetensors")
    return json.loads(trial_manifest.tensors_metadata(content).get("about", "{}"))


def load(net: ConditionalNetwork, directory: Path, name: str = ONE, owner: str | None = None) -> None:
    """Load the weights selected under the tag `name` into the network, and set eval mode. owner: key of the network
    whose weights they are, None for this network. Raises Damaged."""
    file = "weights.safetensors" if name == ONE else f"weights-{name}.safetensors"
    content = trial_manifest.verified_bytes(directory, file, owner or net.recipe.key)
    if content is None:
        raise Damaged(directory / file, "it is gone")
    try:
        net.load_state_dict(trial_manifest.tensors(content))
        finite = all(value.isfinite().all() for value in net.state_dict().values())
    except UNREADABLE:
        raise Damaged(directory / file, "it does not hold the weights of this network") from None
    if not finite:
        raise Damaged(directory / file, "its weights are not finite")
    net.eval()


def nearest_tag(metric: str, lam: float, recipe: Recipe, width: float = 1.0) -> str:
    """Return the tag whose weights report `metric` at λ: of the nearest trained λ under `each`, else ONE."""
    if recipe.protocol.selection != "each":
        return ONE
    trained = torch.tensor(recipe.lambdas or (recipe.lam,))
    return tag(metric, float(trained[(trained - lam).abs().argmin()]), width)
