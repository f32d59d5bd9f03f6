"""AutoAttack, standard version, L∞ (Croce & Hein, ICML 2020), by its authors' package, pyautoattack.

The standard version is APGD on the cross-entropy, APGD on the targeted DLR loss, FAB-T and Square, each on the images
that withstood the previous ones.
"""

import logging

import torch
from torch import Tensor, nn

from bench.spec.autoattack_package import LEAST_CLASSES, TARGETS, Unavailable, lacking


def autoattack(logits, x: Tensor, y: Tensor, epsilon, step, steps, rng, start, loss) -> Tensor:
    """Return x_adv like x: a misclassified image where one of the four attacks succeeded, else x itself.

    `step`, `steps`, `start` and `loss` are not used: the standard version fixes them. The attacks draw from torch's
    global generators, which are seeded by `rng` and restored. Raises Unavailable where the package is not installed.
    """
    if reason := lacking():
        raise Unavailable(reason)
    seed = int(torch.randint(2**31, (1,), generator=rng, device=rng.device))
    network = Network(logits).eval()
    devices = [x.device] if x.device.type == "cuda" else ()  # on which the package draws
    with torch.random.fork_rng(devices):
        adv = standard_version(network, x, y, float(epsilon), seed)
    return adv.to(x).clamp((x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1))  # rounding may leave the ball


def standard_version(network: nn.Module, x: Tensor, y: Tensor, epsilon: float, seed: int) -> Tensor:
    """Attack x in one batch by the package's `version="standard"`. With fewer than 10 classes all wrong classes are
    targets, and with fewer than 4 there is no APGD-T, whose loss needs four logits."""
    from pyautoattack import AutoAttack  # here: only this attack needs the package

    # it warns of each image without gradient, at every start; the probe `masking` counts these images
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    with torch.no_grad():
        classes = network(x[:1]).shape[1]
    attack = AutoAttack(network, norm="Linf", eps=epsilon, seed=seed, device=x.device, version="standard")
    attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = min(TARGETS, classes - 1)
    if classes < LEAST_CLASSES:
        attack.attacks_to_run = [name for name in attack.attacks_to_run if name != "apgd-t"]
    return attack.run_standard_evaluation(x, y, batch_size=len(x))[0]


class Network(nn.Module):
    """`logits` as an nn.Module, which the package needs. A backward pass gives the weights no gradient."""

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
