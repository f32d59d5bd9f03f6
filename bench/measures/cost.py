"""What a forward pass costs, counted and not guessed (Sec. 4.3)."""

import functools
from dataclasses import dataclass

import torch
from torch import nn

from bench.models import build
from bench.models.layers import FiLM
from bench.specs import Recipe


@dataclass(frozen=True)
class Cost:
    """Of one forward pass of one image: multiply–accumulates of convolutions and linear layers; parameters."""

    macs: int
    film_macs: int
    parameters: int


def cost(recipe: Recipe, shape: tuple[int, int, int], classes: int) -> Cost:
    """`macs` includes `film_macs`, those of the FiLM MLPs. `shape` is (C, H, W)."""
    fixed = {"seed": 0, "lr": 1.0, "epochs": 1} | ({"lam": 0.0} if recipe.method == "pgd_at" else {})
    return _cost(recipe.model_copy(update=fixed), shape, classes)


@functools.cache
def _cost(recipe: Recipe, shape: tuple[int, int, int], classes: int) -> Cost:
    with torch.device("meta"):
        net = build(recipe, shape[0], classes)
    counted = {"all": 0, "film": 0}

    def count(module, inputs, output, kind):
        weights = module.weight[0].numel()
        counted[kind] += weights * output[0].numel()

    film = {layer for module in net.modules() if isinstance(module, FiLM) for layer in module.modules()}
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            kind = "film" if module in film else "all"
            module.register_forward_hook(lambda m, i, o, kind=kind: count(m, i, o, kind))
    net.eval()
    with torch.no_grad(), torch.device("meta"):
        net(torch.empty(1, *shape), torch.ones(1))
    parameters = sum(p.numel() for p in net.parameters())
    return Cost(counted["all"] + counted["film"], counted["film"], parameters)
