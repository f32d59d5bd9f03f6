"""BN with shared statistics and the affine parameters of two branches: what of dual BN (Sec. 3.2) does the work?

C. Zhang et al., "Towards Understanding Dual BN in Hybrid Adversarial Training" (arXiv 2403.19150): separating the
affine parameters matters more than separating the statistics. Here all images of a pass are normalised together; then
those with λ=0 get the weight and bias of the clean branch, the others those of the adversarial branch.

A pass is one of OAT's: the clean images of a batch, or the adversarial ones. Running statistics are over both.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.dual_bn import ConditionalNorm, running_affine
from bench.models.film import FiLM
from bench.models.slimmable import at_width, slim


class Affine(nn.Module):
    """Weight and bias (C,) of a branch, as BN starts them."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))


class DualAffineNorm(ConditionalNorm):
    """`bn_a` holds the statistics of all images and the affine parameters for λ≠0, `affine_c` those for λ=0; then FiLM
    where `film` is given. In a slimmable network both are switchable: one per width."""

    alone = False

    def __init__(self, channels: int, film: FiLM | None = None, widths: tuple[float, ...] = ()):
        super().__init__(channels, False, film, widths)
        self.widths = widths or (1.0,)
        self.affine_c = nn.ModuleList(Affine(slim(channels, width)) for width in self.widths)

    def _branches(self, width: float) -> tuple[nn.BatchNorm2d, Affine]:
        bn = at_width(self.bn_a, width)  # refuses a width that the network has not
        return bn, self.affine_c[self.widths.index(width)]

    def _normalise(self, x: Tensor, zeros: int, width: float) -> Tensor:
        """Batch statistics over all of x. Of a branch without samples no parameter gets a gradient."""
        bn, affine = self._branches(width)
        if zeros == 0:
            return bn(x)
        bn.num_batches_tracked.add_(1)
        if zeros == len(x):
            return normalised(x, bn, affine.weight, affine.bias)
        weight, bias = (
            torch.cat([c.expand(zeros, -1), a.expand(len(x) - zeros, -1)])[:, :, None, None].to(x.dtype)
            for c, a in ((affine.weight, bn.weight), (affine.bias, bn.bias))
        )
        return torch.addcmul(bias, normalised(x, bn), weight)

    def _running(self, is_zero: Tensor, width: float) -> tuple[Tensor, Tensor]:
        bn, affine = self._branches(width)
        scale, shift = running_affine(bn)
        scale_c = affine.weight * torch.rsqrt(bn.running_var + bn.eps)
        shift_c = affine.bias - bn.running_mean * scale_c
        return torch.where(is_zero[:, None], scale_c, scale), torch.where(is_zero[:, None], shift_c, shift)


def normalised(x: Tensor, bn: nn.BatchNorm2d, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Training mode: x by its own batch statistics, which enter the running ones of `bn`."""
    return F.batch_norm(x, bn.running_mean, bn.running_var, weight, bias, True, bn.momentum, bn.eps)
