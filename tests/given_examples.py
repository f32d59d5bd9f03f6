"""A file of adversarial examples for a network on digits, as `attack-from` takes it."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from bench.models.network import ConditionalNetwork
from bench.spec.recipe import Recipe
from tests.recipes import digits


def first_test_images(recipe: Recipe, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first n test images, fp32 in [0,1], and their labels."""
    images = digits(recipe, n).test
    return images.images.float() / 255, images.labels


def perturbed(net: ConditionalNetwork, recipe: Recipe, n: int, lam: float = 0.3) -> torch.Tensor:
    """One step of size ε along the sign of the gradient at a λ, by autograd."""
    x, y = first_test_images(recipe, n)
    x.requires_grad_()
    loss = torch.nn.functional.cross_entropy(net(x, net.condition(torch.tensor([lam]))), y, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, x)
    return (x.detach() + recipe.epsilon * gradient.sign()).clamp(0, 1)


def write_adversarial_images(path: Path, recipe: Recipe, images: torch.Tensor, **metadata: str) -> Path:
    save_file({"images": images.contiguous()}, path, {"data_hash": recipe.data_hash} | metadata)
    return path
