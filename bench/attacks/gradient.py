"""L∞ attacks by gradient sign. Images and perturbations stay in fp32 and in [0,1], whatever the network computes in:
an adversarial image stored in bf16 leaves the ε-ball."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Logits = Callable[[Tensor], Tensor]  # a network already conditioned on its λ: images (N, C, H, W) → logits (N, classes)


def pgd(logits: Logits, x: Tensor, y: Tensor, epsilon: float, step: float, steps: int, rng: torch.Generator) -> Tensor:
    """Projected gradient descent from a random start in the ε-ball (Madry et al., ICLR 2018). Returns x_adv like x."""
    noise = torch.empty_like(x).uniform_(-epsilon, epsilon, generator=rng)
    adv = (x + noise).clamp_(0, 1)
    low, high = (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)
    for _ in range(steps):
        adv.requires_grad_()
        loss = F.cross_entropy(logits(adv).float(), y, reduction="sum")
        (grad,) = torch.autograd.grad(loss, adv)  # the input's gradient only: no weight gradient is computed
        adv = adv.detach().add(grad.sign(), alpha=step).clamp(low, high)
    return adv


def pgd7(logits: Logits, x: Tensor, y: Tensor, epsilon: float, step: float, rng: torch.Generator) -> Tensor:
    """The paper's attack for training and evaluation (Sec. 4.1)."""
    return pgd(logits, x, y, epsilon, step, 7, rng)


ATTACKS: dict[str, Callable] = {"pgd7": pgd7}
STEPS = {"pgd7": 7}  # gradient steps of each, for the step size of ledger row 1 and for estimates
