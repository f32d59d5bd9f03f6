"""How much a step must compute: multiply–accumulates of the convolutions and the classifier.

A step is counted by the passes that Algorithm 1 cannot do without, equally for every implementation. FiLM's MLPs, BN
and passes beyond these do not count: the authors' PGD-AT at λ=1, for one, runs backward through a clean pass of weight
0. A multiply–accumulate is two FLOPs.
"""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from bench.measures.cost import cost
from bench.models import build
from bench.speed.workloads import CLASSES, Workload


@dataclass(frozen=True)
class Passes:
    """How many images pass through the network forward, backward to the input, and backward to the weights."""

    forward: int
    to_input: int
    to_weights: int

    @property
    def all(self) -> int:
        return self.forward + self.to_input + self.to_weights


def passes(workload: Workload, task: str) -> Passes:
    """Passes of one step.

    An attack is 7 × (forward + backward to the input) of the attacked images; a training pass is a forward, a backward
    to the inputs of the layers and one to the weights. OAT attacks the images with λ≠0. At λ=1 PGD-AT's clean images
    only go forward, for the batch statistics."""
    recipe = workload.recipe(task, "fp32")
    steps, n = recipe.attack_steps, workload.batch
    if task == "evaluation":
        n = workload.evaluated * len(recipe.lambdas)
        return Passes(n * (steps + 2), n * steps, 0)
    if task == "pgd_at":
        return Passes(n * (steps + 2), n * (steps + 1), n)
    attacked = n - workload.zeros()
    return Passes(n + attacked * (steps + 1), n + attacked * (steps + 1), n + attacked)


def macs(workload: Workload, task: str) -> int:
    """Multiply–accumulates of one image's forward pass; a backward pass to the input or to the weights has as many."""
    counted = cost(workload.recipe(task, "fp32"), workload.shape, CLASSES)
    return counted.macs - counted.film_macs


def flops(workload: Workload, task: str) -> int:
    """FLOPs of one step."""
    return 2 * macs(workload, task) * passes(workload, task).all


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


def convolutions(workload: Workload) -> Counter:
    """How often the network has each convolution."""
    counter = Counter()

    def count(module: nn.Conv2d, inputs, output) -> None:
        size = inputs[0].shape[-1]
        counter[Conv(module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0], size)] += 1

    net = build(workload.recipe("pgd_at", "fp32"), workload.shape[0], CLASSES).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, *workload.shape), torch.ones(1))
    return counter
