"""L∞ attacks by gradient sign. Images and perturbations stay in fp32 and in [0,1], whatever the network computes in:
an adversarial image stored in bf16 leaves the ε-ball.

All take the same arguments and return x_adv like x: `logits` is a network already conditioned on its λ and width, x
(N, C, H, W) fp32 in [0,1], y (N,) labels, `loss` (logits, y) → (N,) what is to be increased.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Logits = Callable[[Tensor], Tensor]  # images (N, C, H, W) → logits (N, classes)
Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(outputs, y, reduction="none")


def margin(outputs: Tensor, y: Tensor) -> Tensor:
    """The best wrong logit minus the right one: positive where the network is wrong. Unlike the cross-entropy it does
    not vanish where the right class is certain."""
    wrong = outputs.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return wrong - outputs.gather(1, y[:, None])[:, 0]


def pgd(logits: Logits, x, y, epsilon, step, steps, rng, start="uniform", loss: Loss = cross_entropy) -> Tensor:
    """Projected gradient descent (Madry et al., ICLR 2018): signed steps, each projected back into the ε-ball."""
    adv, low, high = begin(x, epsilon, rng, start)
    for _ in range(steps):
        adv = adv.add(gradient(logits, adv, y, loss).sign(), alpha=step).clamp(low, high)
    return adv


def mi_fgsm(logits: Logits, x, y, epsilon, step, steps, rng, start="image", loss: Loss = cross_entropy) -> Tensor:
    """Momentum iterative FGSM (Dong et al., CVPR 2018) with μ=1: gradients of unit L1 norm add up, their sum's sign is
    the step."""
    (adv, low, high), momentum = begin(x, epsilon, rng, start), torch.zeros_like(x)
    for _ in range(steps):
        grad = gradient(logits, adv, y, loss)
        momentum += grad / grad.abs().sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
        adv = adv.add(momentum.sign(), alpha=step).clamp(low, high)
    return adv


def fgsm(logits: Logits, x, y, epsilon, step, steps, rng, start="image", loss: Loss = cross_entropy) -> Tensor:
    """The fast gradient sign method (Goodfellow et al., ICLR 2015): one step, of size ε whatever `step` says."""
    adv, low, high = begin(x, epsilon, rng, start)
    return adv.add(gradient(logits, adv, y, loss).sign(), alpha=epsilon).clamp(low, high)


def begin(x: Tensor, epsilon: float, rng: torch.Generator, start: str) -> tuple[Tensor, Tensor, Tensor]:
    """Where an attack starts, `uniform` in the ε-ball or the `image` itself; and the lowest and highest it may go."""
    adv = x.detach()
    if start == "uniform":
        adv = (adv + torch.empty_like(x).uniform_(-epsilon, epsilon, generator=rng)).clamp_(0, 1)
    return adv, (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)


def gradient(logits: Logits, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """∇x of each image's loss: the input's gradient only, no weight gradient is computed."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(loss(logits(x).float(), y).sum(), x)[0]
