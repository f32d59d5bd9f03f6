"""Build the network of a recipe."""

import torch

from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe
from bench.spec.registry import METHODS, backbone_of, load, resolve


def parse_arch(arch: str) -> tuple[type, dict]:
    """Return the class and its extra arguments. Raises ValueError for an unknown architecture."""
    backbone, sizes = backbone_of(arch)
    return resolve(backbone), sizes


def build(recipe: Recipe, in_channels: int, classes: int) -> ConditionalNetwork:
    """Build the untrained network, initialised from the recipe's seed, in channels_last memory format, the fast one for
    convolutions on CPUs and GPUs."""
    cls, kwargs = parse_arch(recipe.arch)
    method = METHODS.get(recipe.method)  # None: of a plugin that is not here
    if method and method.network:
        cls = load(method.network)(cls)
    with torch.random.fork_rng(devices=()):  # a GPU's generator is not used: parameters are initialised on the CPU
        torch.default_generator.manual_seed(recipe.seed)
        net = cls(recipe, in_channels, classes, **kwargs)
    return net.to(memory_format=torch.channels_last)
