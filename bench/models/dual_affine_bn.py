"""BN with shared statistics and two sets of affine parameters: which part of dual BN (Sec. 3.2) does the work?

C. Zhang et al., "Towards Understanding Dual BN in Hybrid Adversarial Training" (arXiv 2403.19150), find that separate
affine parameters matter more than separate statistics. All images of a forward pass (OAT has one for the clean images
of a batch and one for the adversarial ones) are normalised together. Images with λ=0 then get the weight and bias of
the clean branch, the others those of the adversarial branch. The running statistics cover both kinds of pass.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.dual_bn import ConditionalNorm, affine_of
from bench.models.film import FiLM
from bench.models.slimmable import at_width, slim


class Affine(nn.Module):
    """Weight and bias (C,) of a branch, initialised as in BN."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))


class DualAffineNorm(ConditionalNorm):
    """`bn_a` holds the statistics of all images and the affine parameters for λ≠0, `affine_c` those for λ=0. FiLM
    follows where `film` is given. In a slimmable network there is one of each per width."""

    def __init__(self, channels: int, film: FiLM | None = None, widths: tuple[float, ...] = ()):
        super().__init__(channels, False, film, widths)
        self.widths = widths or (1.0,)
        self.affine_c = nn.ModuleList(Affine(slim(channels, width)) for width in self.widths)

    def branches(self, width: float) -> tuple[nn.BatchNorm2d, Affine]:
        bn = at_width(self.bn_a, width)  # raises for a width that the network lacks
        return bn, self.affine_c[self.widths.index(width)]

    def normalise(self, x: Tensor, zeros: int, width: float) -> Tensor:
        """Training mode: normalise by the batch statistics of x. A branch without samples gets no gradient."""
        bn, affine = self.branches(width)
        if zeros == 0:
            return bn(x)
        bn.num_batches_tracked.add_(1)
        if zeros == len(x):
            return batch_norm(x, bn, affine.weight, affine.bias)
        weight, bias = (
            torch.cat([clean.expand(zeros, -1), adversarial.expand(len(x) - zeros, -1)])[:, :, None, None].to(x.dtype)
            for clean, adversarial in ((affine.weight, bn.weight), (affine.bias, bn.bias))
        )
        return torch.addcmul(bias, batch_norm(x, bn), weight)

    def running_affine(self, is_zero: Tensor, width: float) -> tuple[Tensor, Tensor]:
        bn, affine = self.branches(width)
        scale, shift = affine_of(bn)
        scale_c = affine.weight * torch.rsqrt(bn.running_var + bn.eps)
        shift_c = affine.bias - bn.running_mean * scale_c
        return torch.where(is_zero[:, None], scale_c, scale), torch.where(is_zero[:, None], shift_c, shift)


def batch_norm(x: Tensor, bn: nn.BatchNorm2d, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Normalise x by its batch statistics and update the running statistics of `bn`."""
    return F.batch_norm(x, bn.running_mean, bn.running_var, weight, bias, True, bn.momentum, bn.eps)
