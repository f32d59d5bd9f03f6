"""What a step must compute, counted: multiply–accumulates of the convolutions and the classifier.

A step is counted by the passes that Algorithm 1 cannot do without, the same for every side. FiLM's MLPs, BN and
whatever a side does beyond that do not count: the authors' PGD-AT at λ=1, for one, runs backward through a clean pass
of weight 0. A multiply–accumulate is two FLOPs.
"""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from bench.measures.cost import cost
from bench.speed.cases import CLASSES, Case
from bench.speed.plain import Network


@dataclass(frozen=True)
class Passes:
    """How many images pass through the network forward, backward to the input, and backward to the weights."""

    forward: int
    to_input: int
    to_weights: int

    @property
    def all(self) -> int:
        return self.forward + self.to_input + self.to_weights


def passes(case: Case, task: str) -> Passes:
    """An attack is 7 × (forward + backward to the input) of the attacked images; a training pass is a forward, one
    backward to the inputs of the layers and one to the weights. OAT attacks what has λ≠0. At λ=1 PGD-AT's clean images
    go forward alone, for the batch statistics."""
    recipe = case.recipe(task, "fp32")
    steps, n = recipe.attack_steps, case.batch
    if task == "evaluation":
        n = case.evaluated * len(recipe.lambdas)
        return Passes(n * (steps + 2), n * steps, 0)
    if task == "pgd_at":
        return Passes(n * (steps + 2), n * (steps + 1), n)
    attacked = n - case.zeros()
    return Passes(n + attacked * (steps + 1), n + attacked * (steps + 1), n + attacked)


def macs(case: Case, task: str) -> int:
    """Of one image's forward pass; a backward pass to the input or to the weights has as many."""
    found = cost(case.recipe(task, "fp32"), case.shape, CLASSES)
    return found.macs - found.film_macs


def flops(case: Case, task: str) -> int:
    return 2 * macs(case, task) * passes(case, task).all


@dataclass(frozen=True)
class Conv:
    """A convolution with padding kernel // 2 on a square image of `size` pixels."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    size: int

    @property
    def macs(self) -> int:
        return self.inputs * self.outputs * self.kernel**2 * (-(-self.size // self.stride)) ** 2


def convolutions(case: Case) -> Counter:
    """How many of each the network has."""
    found = Counter()

    def count(module: nn.Conv2d, inputs, output) -> None:
        size = inputs[0].shape[-1]
        found[Conv(module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0], size)] += 1

    net = Network(case.recipe("pgd_at", "fp32"), case.shape[0], 0).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():  # not on the meta device, where batch_norm makes torch load its compiler, which takes seconds
        net(torch.zeros(1, *case.shape), None, 0)
    return found
