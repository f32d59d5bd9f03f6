"""L∞ attacks by gradient sign. Images and perturbations stay in fp32 and in [0,1], whatever the network computes in:
an adversarial image stored in bf16 leaves the ε-ball.

All take the same arguments and return x_adv like x: `logits` is a network already conditioned on its λ and width, x
(N, C, H, W) fp32 in [0,1], y (N,) labels, `loss` (logits, y) → (N,) what is to be increased. They start at the `image`,
`uniform` in the ε-ball, or, given a tensor like x, that far off the image.
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
    """(N,) the largest wrong logit less the right one, as in Carlini & Wagner (IEEE S&P 2017): positive where the
    network errs. Its gradient does not fade where the network is sure, as that of the cross-entropy does."""
    wrong = outputs.scatter(1, y[:, None], -torch.inf).max(dim=1).values
    return wrong - outputs.gather(1, y[:, None])[:, 0]


def pgd(logits: Logits, x, y, epsilon, step, steps, rng, start="uniform", loss: Loss = cross_entropy) -> Tensor:
    """Projected gradient descent (Madry et al., ICLR 2018): signed steps, each projected back into the ε-ball."""
    return climb(logits, *begin(x, epsilon, rng, start), y, step, steps, loss)


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
    return climb(logits, *begin(x, epsilon, rng, start), y, epsilon, 1, loss)


def climb(logits: Logits, adv, low, high, y, step, steps, loss: Loss) -> Tensor:
    """Signed steps from `adv`, each back between `low` and `high`. Where `logits` itself can make those up the
    cross-entropy without autograd (bench.engines.conditioned), it does."""
    own = getattr(logits, "ascend", None) if loss is cross_entropy else None
    if own and (found := own(adv, low, high, y, step, steps)) is not None:
        return found
    for _ in range(steps):
        adv = adv.add(gradient(logits, adv, y, loss).sign(), alpha=step).clamp(low, high)
    return adv


def begin(x: Tensor, epsilon: float, rng: torch.Generator, start: str | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where an attack starts, and the lowest and highest it may go. `start`: `uniform` in the ε-ball, the `image`
    itself, `near` it (TRADES' Gaussian, σ = 0.001), or a given offset from it."""
    adv, off = x.detach(), start
    if isinstance(start, str):
        drawn = {"uniform": offset, "near": near}
        off = drawn[start](x, epsilon, rng) if start in drawn else None
    if off is not None:
        adv = (adv + off).clamp_(0, 1)
    return adv, (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)


def offset(x: Tensor, epsilon: float, rng: torch.Generator) -> Tensor:
    """Like x, uniform in [-ε, ε]."""
    return torch.empty_like(x).uniform_(-epsilon, epsilon, generator=rng)


def near(x: Tensor, epsilon: float, rng: torch.Generator) -> Tensor:
    """Like x, a Gaussian of σ = 0.001 within [-ε, ε], as TRADES starts its attack."""
    return torch.empty_like(x).normal_(0, 0.001, generator=rng).clamp_(-epsilon, epsilon)


def gradient(logits: Logits, x: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """∇x of each image's loss: the input's gradient only, no weight gradient is computed."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(loss(logits(x).float(), y).sum(), x)[0]
