"""L∞ attacks by the sign of the gradient: PGD, MI-FGSM, FGSM.

All take the same arguments and return x_adv like x. logits: a conditioned model, (N, C, H, W) → (N, classes). x: fp32
images in [0,1]. y: (N,) labels. loss: (logits, y) → (N,), to be increased. start: `uniform` in the ε-ball, the `image`,
or a tensor like x that is added to x. Images and perturbations stay in fp32, whatever precision the network computes
in: an adversarial image stored in bf16 leaves the ε-ball.
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
    """(N,) largest wrong logit minus the right one (Carlini & Wagner, IEEE S&P 2017); positive where the network errs.
    Its gradient does not vanish where the network is confident, as that of the cross-entropy does."""
    wrong = outputs.scatter(1, y[:, None], -torch.inf).max(dim=1).values
    return wrong - outputs.gather(1, y[:, None])[:, 0]


def pgd(logits: Logits, x, y, epsilon, step, steps, rng, start="uniform", loss: Loss = cross_entropy) -> Tensor:
    """Projected gradient descent (Madry et al., ICLR 2018): signed steps, each projected back into the ε-ball."""
    return take_steps(logits, *begin(x, epsilon, rng, start), y, step, steps, loss)


def mi_fgsm(logits: Logits, x, y, epsilon, step, steps, rng, start="image", loss: Loss = cross_entropy) -> Tensor:
    """Momentum iterative FGSM (Dong et al., CVPR 2018) with μ=1: steps along the sign of the sum of all gradients so
    far, each scaled to unit L1 norm."""
    (adv, low, high), momentum = begin(x, epsilon, rng, start), torch.zeros_like(x)
    for _ in range(steps):
        grad = gradient(logits, adv, y, loss)
        momentum += grad / grad.abs().sum(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
        adv = adv.add(momentum.sign(), alpha=step).clamp(low, high)
    return adv


def fgsm(logits: Logits, x, y, epsilon, step, steps, rng, start="image", loss: Loss = cross_entropy) -> Tensor:
    """The fast gradient sign method (Goodfellow et al., ICLR 2015): one step of size ε (not `step`)."""
    return take_steps(logits, *begin(x, epsilon, rng, start), y, epsilon, 1, loss)


def take_steps(logits: Logits, adv, low, high, y, step, steps, loss: Loss) -> Tensor:
    """Signed steps from `adv`, each clamped to [low, high]. A ConditionedModel takes the steps on the cross-entropy by
    its engine where the engine can."""
    if loss is cross_entropy and hasattr(logits, "pgd"):
        result = logits.pgd(adv, low, high, y, step, steps)
        if result is not None:
            return result
    for _ in range(steps):
        adv = adv.add(gradient(logits, adv, y, loss).sign(), alpha=step).clamp(low, high)
    return adv


def begin(x: Tensor, epsilon: float, rng: torch.Generator, start: str | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the first images of an attack and their lower and upper bounds. `start`: `uniform` in the ε-ball, the
    `image`, `near` (TRADES' Gaussian around the image, σ = 0.001), or a tensor that is added to x."""
    drawn = {"uniform": offset, "near": near}
    adv, displacement = x.detach(), start
    if isinstance(start, str):
        displacement = drawn[start](x, epsilon, rng) if start in drawn else None
    if displacement is not None:
        adv = (adv + displacement).clamp_(0, 1)
    return adv, (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)


def offset(x: Tensor, epsilon: float, rng: torch.Generator) -> Tensor:
    """Draw a tensor like x, uniform in [-ε, ε]."""
    return empty_for(rng, x).uniform_(-epsilon, epsilon, generator=rng).to(x.device)


def near(x: Tensor, epsilon: float, rng: torch.Generator) -> Tensor:
    """Draw a tensor like x, Gaussian with σ = 0.001, clamped to [-ε, ε]: the start of TRADES' attack."""
    return empty_for(rng, x).normal_(0, 0.001, generator=rng).clamp_(-epsilon, epsilon).to(x.device)


def empty_for(rng: torch.Generator, x: Tensor) -> Tensor:
    """A tensor like x to draw into, on the generator's device. Evaluations draw on the CPU: two networks are compared
    image by image from the same starts, and the generators of two GPU models differ."""
    return torch.empty_like(x, device=rng.device)


def gradient(logits: Logits, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """∇x of each image's loss. No weight gradient is computed."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(loss(logits(x).float(), y).sum(), x)[0]
