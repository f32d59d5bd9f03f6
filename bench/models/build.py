"""A recipe's network."""

import re

import torch

from bench.models.conditional import ConditionalNetwork
from bench.models.resnet import ResNet34
from bench.models.wide_resnet import WideResNet
from bench.specs import Recipe

ARCHITECTURES = "resnet34, wrn-<depth>-<width> with depth 6n + 4 (wrn-16-8, wrn-40-2, wrn-10-1, …)"


def parse_arch(arch: str) -> tuple[type, dict]:
    """The class and its extra arguments. Raises ValueError for a name that is no architecture."""
    if arch == "resnet34":
        return ResNet34, {}
    match = re.fullmatch(r"wrn-(\d+)-(\d+)", arch)
    if not match or (int(match[1]) - 4) % 6 or int(match[1]) < 10 or int(match[2]) < 1:
        raise ValueError(f"architecture {arch!r} is unknown, allowed are {ARCHITECTURES}")
    return WideResNet, {"depth": int(match[1]), "width": int(match[2])}


def build(recipe: Recipe, in_channels: int, classes: int) -> ConditionalNetwork:
    """The untrained network, initialised from the recipe's seed, in channels_last memory format (the fast one for
    convolutions on CPUs and GPUs alike)."""
    cls, kwargs = parse_arch(recipe.arch)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        net = cls(recipe, in_channels, classes, **kwargs)
    return net.to(memory_format=torch.channels_last)
