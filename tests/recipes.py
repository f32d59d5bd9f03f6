"""Small recipes, networks and data for tests."""

from pathlib import Path

import torch

from bench.data import Dataset, describe, load
from bench.models import build, resnet
from bench.models.network import ConditionalNetwork
from bench.spec.lambda_sets import S1
from bench.spec.recipe import Recipe
from tests.copies import Copies

torch.set_num_threads(1)

DIGITS = describe("digits", Path("data")).fingerprint
COMMON = {"dataset": "digits", "data_hash": DIGITS, "heldout": 40, "augment": "none", "arch": "wrn-10-1"}
COMMON |= {"epsilon": 0.1, "lr": 0.1, "epochs": 2, "batch": 64, "train_images": 128, "attack_steps": 2}
MADE: dict[tuple, Copies] = {}


def pgd_at(lam: float = 0.5, **fields) -> Recipe:
    return Recipe(**(COMMON | {"method": "pgd_at", "lam": lam} | fields))


def oat(norm: str = "dual", **fields) -> Recipe:
    return Recipe(**(COMMON | {"method": "oat", "lambdas": S1, "norm": norm, "encoding": "ro-16"} | fields))


def lively(recipe: Recipe, channels: int = 1, classes: int = 10) -> ConditionalNetwork:
    """The recipe's network with all BN parameters and statistics away from their neutral values; a copy of one that is
    made once.

    The branches of a dual BN differ, and the predicted class differs from image to image.
    """
    key = (recipe.canonical(), channels, classes, resnet.STAGES)  # which tests change
    if key not in MADE:
        MADE[key] = Copies(make_lively(recipe, channels, classes))
    return MADE[key].copy()


def make_lively(recipe: Recipe, channels: int, classes: int) -> ConditionalNetwork:
    net, rng = build(recipe, channels, classes), torch.Generator().manual_seed(7)
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    x = images(32, (channels, 16, 16))[0]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(7)  # dropout draws from the global generator
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5, generator=rng)
            norm.bias.normal_(0, 0.3, generator=rng)
            norm.momentum = 1.0  # the next batch's statistics replace the running ones
        for lam in (0.0, 0.3):
            for width in recipe.widths or (1.0,):
                net(x, net.condition(torch.full((32,), lam), width=width))
        for norm in norms:
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4, generator=rng)
            norm.momentum = 0.1
        net.head.weight *= 5
        net.head.bias -= net.eval()(x, torch.full((32,), 0.3)).mean(0)
    return net.train()


def images(n: int, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images in [0,1] and labels."""
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(n, *shape, generator=rng), torch.randint(10, (n,), generator=rng)


def digits(recipe: Recipe, test_images: int = 40) -> Dataset:
    """The digits data set as the recipe splits it, with the first test images only."""
    data = load("digits", root=Path(), heldout=recipe.heldout, train_images=recipe.train_images)
    return Dataset("digits", 10, data.train, data.heldout, data.test.slice(0, test_images))
