"""Iterates of PGD, held against the authors' network in fp64: which values rounding cannot explain.

PGD moves a pixel by the sign of its gradient, so two correct fp32 computations may move it in opposite directions where
rounding decides the sign. Where it decides follows from arithmetic, step by step along the iterates. From the iterate
that a path has reached, it may move a pixel otherwise than by the sign of the fp64 gradient g only where

- |g| is at most `tolerance` (tests/engines/rounding.py) times the image's largest |g|: the bound on rounding errors of
  a gradient in fp32; or
- g changes its sign, or falls below that bound, when the ReLUs whose pre-activation is within `kink_margin` of 0, the
  bound on rounding errors of a pre-activation, are all taken as open or all as closed. ReLU has two slopes at 0, and
  rounding chooses between them.

Both paths, ours and the authors', are held against the same fp64 network, which is theirs. Where no image of a step
differs between the paths, fp64 is not asked.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bench.models.network import ConditionalNetwork
from tests.engines.rounding import kink_margin, tolerance
from tests.parity.networks import Batch, Case, forward
from tests.parity.steps import STEPS, Step


class ReluThreshold(TorchFunctionMode):
    """ReLU(x) = x where x exceeds `share` times the root mean square of its layer, else 0."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (F.relu, torch.relu, torch.relu_):
            x = args[0]
            return x * (x > self.share * x.detach().square().mean().sqrt())
        return func(*args, **(kwargs or {}))


def unexplained_moves(
    case: Case, data: Batch, exact: nn.Module, net: ConditionalNetwork, ours: Step, theirs: Step
) -> int:
    """Count the values of the iterates 1 to 7 of both paths that rounding does not explain.

    exact: the authors' network in fp64 with the weights before the step. net: ours, for the bounds on rounding.
    """
    epsilon, size = case.recipe.epsilon, case.recipe.attack_step()
    x, y, code = data.x[case.zeros :], data.y[case.zeros :], data.code[case.zeros :]
    low, high = (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)
    bounds, count = (tolerance(net, x), kink_margin(net, x)), 0
    for attack, width in enumerate(case.widths):
        exact.load_state_dict(theirs.buffers[attack], strict=False)
        for k in range(attack * (STEPS + 1), (attack + 1) * (STEPS + 1) - 1):
            now, after = (torch.stack([ours.images[i], theirs.images[i]]) for i in (k, k + 1))
            rows = ((now[0] != now[1]) | (after[0] != after[1])).flatten(1).any(1).nonzero()[:, 0]
            for path in (0, 1) if len(rows) else ():
                start, end = now[path][rows], after[path][rows]
                low_sign, high_sign = sign_range(exact, case, start, y[rows], code[rows], width, *bounds)
                explained = torch.zeros_like(end, dtype=torch.bool)
                for sign in (-1, 0, 1):
                    moved = (start + sign * size).clamp(low[rows], high[rows])
                    explained |= (end == moved) & (low_sign <= sign) & (sign <= high_sign)
                count += int((~explained).sum())
    return count


def sign_range(
    exact: nn.Module, case: Case, x: Tensor, y: Tensor, code: Tensor, width: float, bound: float, margin: float
) -> tuple[Tensor, Tensor]:
    """The least and the largest sign, each like x, that the gradient may have once it is rounded."""
    gradients = [gradient(exact, case, x, y, code, width, share) for share in (0.0, margin, -margin)]
    signs = []
    for grad in gradients:
        rounding = bound * grad.abs().amax((1, 2, 3), keepdim=True)
        signs += [(grad - rounding).sign(), (grad + rounding).sign()]
    return torch.stack(signs).amin(0), torch.stack(signs).amax(0)


def gradient(
    exact: nn.Module, case: Case, x: Tensor, y: Tensor, code: Tensor, width: float, share: float = 0.0
) -> Tensor:
    """∇x of the cross-entropy in fp64 and eval mode, with every ReLU's threshold at `share` of its layer's root mean
    square."""
    x = x.detach().double().requires_grad_()
    with ReluThreshold(share):
        logits = forward(exact.eval(), case, x, code.double(), 0, width)
    return torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), x)[0]
