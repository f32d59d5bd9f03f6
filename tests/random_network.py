"""The directory of a network with random weights: nothing is trained."""

from pathlib import Path

import torch

from bench import trial_manifest
from bench.models import build
from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe
from bench.training import checkpoint_selection
from bench.training.checkpoint import State, snapshot

SHAPE = (1, 8, 8)


def write_network(recipe: Recipe, directory: Path, net: ConditionalNetwork | None = None) -> ConditionalNetwork:
    """Write the directory of this network, or of an untrained one, and return the network in eval mode."""
    net = net or untrained(recipe)
    trial_manifest.write_json(directory, "recipe.json", recipe.model_dump(mode="json"), recipe.key)
    best = {"score": 0.5, "epoch": 1}
    checkpoint_selection.write(
        State(1, {checkpoint_selection.ONE: best}, {checkpoint_selection.ONE: snapshot(net)}),
        net,
        recipe,
        directory,
        SHAPE,
    )
    return net.eval()


def untrained(recipe: Recipe) -> ConditionalNetwork:
    """The network as it is initialised, but for its running means."""
    net = build(recipe, SHAPE[0], 10)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
    return net
