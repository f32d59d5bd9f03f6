"""How far two computations of f(x, λ) may lie apart: bounds that follow from floating-point arithmetic.

The reference is the plain network in fp64. A sum of n terms of random signs, computed in fp32 one after the other, is
off by about u·sqrt(n/6) of its size, u = 2^-24: partial sums grow as sqrt(k), and each of them is rounded by at most u,
u/sqrt(3) on average. Rounding errors of different layers are independent, so their squares add up, over the forward and
the backward pass. FACTOR covers the largest of 10^4 such errors (4 times the average one), and that Winograd's
F(4×4, 3×3) has about 4 times the error of a direct sum.

ReLU has no gradient at 0. Where a pre-activation is nearer to 0 than rounding errors are, both sides are right, so
gradients are compared on images, or batches, where the fp64 reference has no such pre-activation.
"""

import contextlib
import math
import weakref
from collections.abc import Callable
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.models.network import ConditionalNetwork
from bench.models.slimmable import SlimConv2d

UNIT = 2.0**-24  # of fp32
FACTOR = 16.0
TERMS: weakref.WeakKeyDictionary[ConditionalNetwork, int] = weakref.WeakKeyDictionary()


def tolerance(net: ConditionalNetwork, x: Tensor) -> float:
    """The largest rounding error of logits, gradients and statistics, as a share of the largest number of the tensor
    (of an image's row or gradient, where images are computed one by one)."""
    sums = terms(net) + x[:, 0].numel()  # the latter: batch statistics and weight gradients, over pixels
    return FACTOR * UNIT * math.sqrt(2 * sums / 6)


def terms(net: ConditionalNetwork) -> int:
    """The terms of one sum of each layer."""
    if net not in TERMS:
        convs = [module for module in net.modules() if isinstance(module, SlimConv2d)]
        TERMS[net] = sum(conv.weight[0].numel() for conv in convs) + net.head.in_features
    return TERMS[net]


def kink_margin(net: ConditionalNetwork, x: Tensor) -> float:
    """The largest rounding error of a pre-activation, as a share of the root mean square of its layer: a quarter of the
    tolerance, for a forward pass without the few cancelling sums that a parameter's gradient has."""
    return tolerance(net, x) / 4


class Kinks(contextlib.ExitStack):
    """Notes how near the pre-activations of a pass come to ReLU's kink."""

    def __init__(self):
        super().__init__()
        self.per_image: list[Tensor] = []  # of each call of ReLU: (N,) nearest pre-activation over the root mean square

    def __enter__(self) -> "Kinks":
        for name in ("relu", "leaky_relu"):
            self.enter_context(mock.patch.object(F, name, self.noting(getattr(F, name))))
        return self

    def noting(self, relu: Callable) -> Callable:
        def noted(x: Tensor, *arguments, **options) -> Tensor:
            with torch.no_grad():
                self.per_image.append(x.abs().flatten(1).amin(1) / x.square().mean().sqrt())
            return relu(x, *arguments, **options)

        return noted

    def distance(self) -> float:
        """Of the nearest pre-activation of all."""
        assert self.per_image, "the network called no F.relu"
        return min(float(values.min()) for values in self.per_image if len(values))

    def clear_images(self, n: int, margin: float) -> Tensor:
        """(n,) bool: which images have no pre-activation within the margin. FiLM's are no image's."""
        clear = torch.ones(n, dtype=torch.bool)
        for values in self.per_image:
            if len(values) == n:
                clear &= values > margin
        return clear


def assert_close(name: str, actual: Tensor, exact: Tensor, bound: float, by_image: bool = False) -> None:
    """Each number is off by at most `bound` of the largest number: of the tensor, or of the same image."""
    assert actual.shape == exact.shape, f"{name}: shape {tuple(actual.shape)}, not {tuple(exact.shape)}"
    assert actual.isfinite().all(), f"{name}: not finite"
    actual, exact = actual.detach().double(), exact.detach().double()
    error, scale = (actual - exact).abs(), exact.abs()
    if by_image and exact.dim() > 1:
        error, scale = error.flatten(1).amax(1), scale.flatten(1).amax(1)
    elif error.numel():
        error, scale = error.max(), scale.max()
    share = error / scale.clamp(min=1e-30)
    worst = float(share.max()) if share.numel() else 0.0
    assert worst <= bound, f"{name}: off by {worst:.2e} of its largest number; rounding explains {bound:.2e}"


def distance(actual: Tensor, exact: Tensor) -> float:
    """Norm of the difference as a share of the norm of `exact`."""
    difference = actual.double() - exact.double()
    return (difference.norm() / exact.double().norm().clamp(min=1e-30)).item()
