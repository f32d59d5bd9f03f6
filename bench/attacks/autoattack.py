"""AutoAttack, standard version, L∞ (Croce & Hein, ICML 2020), by its authors' package where that is importable, else by
the Adversarial Robustness Toolbox (ART). docs/attacks.md compares the two.

The standard version is APGD on the cross-entropy, APGD on the targeted DLR loss, FAB-T and Square, each on the images
that withstood the previous ones. ART has no FAB; DeepFool takes its place, as in ART's own AutoAttack.
"""

import contextlib
import sys

import torch
from torch import Tensor, nn

from bench.spec.autoattack_packages import (
    ART,
    LEAST_CLASSES,
    OWN,
    QUERIES,
    REMEDY,
    STEPS,
    TARGETS,
    Unavailable,
    installed,
)


def autoattack(logits, x: Tensor, y: Tensor, epsilon, step, steps, rng, start, loss) -> Tensor:
    """Return x_adv like x: a misclassified image where one of the four attacks succeeded, else x itself.

    `step`, `steps`, `start` and `loss` are not used: the standard version fixes them. The attacks draw from global
    generators, which are seeded by `rng` and restored. Raises Unavailable where no package is importable.
    """
    name = installed()
    if not name:
        raise Unavailable(REMEDY)
    seed = int(torch.randint(2**31, (1,), generator=rng, device=rng.device))
    run, network = {OWN: by_own_package, ART: by_art}[name], Network(logits).eval()
    devices = [x.device] if x.device.type == "cuda" else ()  # on which the packages draw
    with torch.random.fork_rng(devices), contextlib.redirect_stdout(sys.stderr):  # stdout carries rows of results alone
        adv = run(network, x, y, float(epsilon), seed)
    return adv.to(x).clamp((x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1))  # rounding may leave the ball


class Network(nn.Module):
    """`logits` as an nn.Module, which both packages need. A backward pass gives the weights no gradient."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        if x.requires_grad and torch.is_grad_enabled():
            return GradientToImages.apply(x, self.logits)
        with torch.no_grad():
            return self.logits(x)


class GradientToImages(torch.autograd.Function):
    """Logits whose backward pass ends at the images and leaves no `.grad` in the network."""

    @staticmethod
    def forward(ctx, x: Tensor, logits) -> Tensor:
        with torch.enable_grad():
            ctx.x = x.detach().requires_grad_()
            ctx.outputs = logits(ctx.x)
        return ctx.outputs.detach()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return torch.autograd.grad(ctx.outputs, ctx.x, gradient, retain_graph=True)[0], None


def by_own_package(network: Network, x: Tensor, y: Tensor, epsilon: float, seed: int) -> Tensor:
    """Attack by the package of AutoAttack's authors."""
    from autoattack import AutoAttack

    with torch.no_grad():
        classes = network(x[:1]).shape[1]
    attack = AutoAttack(network, norm="Linf", eps=epsilon, seed=seed, device=x.device, verbose=False)
    attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = min(TARGETS, classes - 1)
    attack.square.n_queries = QUERIES
    if classes < LEAST_CLASSES:
        attack.attacks_to_run = [name for name in attack.attacks_to_run if name != "apgd-t"]
    return attack.run_standard_evaluation(x, y, bs=len(x))


def by_art(network: Network, x: Tensor, y: Tensor, epsilon: float, seed: int) -> Tensor:
    from bench.attacks.autoattack_art import standard  # here: importing ART takes seconds

    return standard(network, x, y, epsilon, seed, STEPS, TARGETS, QUERIES)
