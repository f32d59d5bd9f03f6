"""Build the network of a recipe."""

import torch

from bench.models.network import ConditionalNetwork
from bench.models.resnet import ResNet34
from bench.models.wide_resnet import WideResNet
from bench.spec.architectures import wrn_sizes
from bench.spec.recipe import Recipe


def parse_arch(arch: str) -> tuple[type, dict]:
    """Return the class and its extra arguments. Raises ValueError for an unknown architecture."""
    sizes = wrn_sizes(arch)
    return WideResNet if sizes else ResNet34, sizes


def build(recipe: Recipe, in_channels: int, classes: int) -> ConditionalNetwork:
    """Build the untrained network, initialised from the recipe's seed, in channels_last memory format, the fast one for
    convolutions on CPUs and GPUs."""
    cls, kwargs = parse_arch(recipe.arch)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        net = cls(recipe, in_channels, classes, **kwargs)
    return net.to(memory_format=torch.channels_last)
