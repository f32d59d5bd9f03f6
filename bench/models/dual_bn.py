"""(Dual) batch normalisation followed by FiLM (Sec. 3.1 and 3.2).

Training mode: the λ=0 samples of a batch come first and go through BN_c, the others through BN_a; FiLM follows.
Eval mode: BN and FiLM together are one scale and one shift per sample and channel, which do not depend on the image.
`ConditionalNetwork.condition` folds them once, for all forward passes of an attack.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from bench.models.film import FiLM
from bench.models.slimmable import at_width, batch_norm


@dataclass(eq=False)
class Condition:
    """The input λ of a batch in the form that the layers take. R is the number of distinct λ in the batch.

    rows: (N,) index of each sample's λ among the R; None where R is 1 or N.
    films: training mode: (γ, β) of each norm layer, each (R, C); None for a norm layer without FiLM.
    zeros: training mode: number of leading λ=0 samples.
    affine: eval mode: (scale, shift) of each norm layer, each (R or 1, C).
    """

    training: bool
    width: float = 1.0
    rows: Tensor | None = None
    films: list[tuple[Tensor, Tensor] | None] | None = None
    zeros: int = 0
    affine: list[tuple[Tensor, Tensor]] | None = None
    _spread_affine: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def spread(self, per_channel: Tensor, x: Tensor) -> Tensor:
        """(R or 1, C) → (N or 1, C, 1, W), in the dtype of x (N, C, H, W). Expanded over W because a CPU broadcasts
        over C and W several times faster than over C alone."""
        if self.rows is not None and len(per_channel) > 1:
            per_channel = per_channel.index_select(0, self.rows)
        wide = per_channel.to(x.dtype)[:, :, None, None].expand(-1, -1, 1, x.shape[3])
        return wide.contiguous(memory_format=torch.channels_last)

    def spread_affine(self, index: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Eval mode: scale and shift of norm layer `index`, spread over x once for all steps of an attack."""
        pair = self._spread_affine.get(index)
        if pair is None or pair[0].dtype != x.dtype or pair[0].shape[3] != x.shape[3]:
            pair = self._spread_affine[index] = tuple(self.spread(value, x) for value in self.affine[index])
        return pair

    def affine_of(self, index: int) -> tuple[Tensor, Tensor]:
        """Eval mode: (R or 1, C) scale and shift of norm layer `index`."""
        return self.affine[index]

    def batch_norm_and_film(self, norm: "ConditionalNorm", x: Tensor) -> Tensor:
        """Training mode: (dual) BN by batch statistics, then FiLM, of a norm layer. The Condition of an engine may
        compute the same in another way."""
        return norm.batch_norm_and_film(x, self)


class ConditionalNorm(nn.Module):
    """BN (`bn_a`), or dual BN (`bn_c` for λ=0, `bn_a` for λ≠0), then FiLM: (N, αC, H, W) and a Condition → the same
    shape.

    In a slimmable network each BN is switchable: one BN per width. Another kind of norm overrides `normalise` (training
    mode) and `running_affine` (eval mode), as bench/models/dual_affine_bn.py does.
    """

    def __init__(self, channels: int, dual: bool = False, film: FiLM | None = None, widths: tuple[float, ...] = ()):
        super().__init__()
        self.bn_a = batch_norm(channels, widths)
        self.bn_c = batch_norm(channels, widths) if dual else None
        self.film = film
        self.index = -1  # position in Condition.films and Condition.affine, set by the network

    def forward(self, x: Tensor, cond: Condition) -> Tensor:
        if not cond.training:
            scale, shift = cond.spread_affine(self.index, x)
            return torch.addcmul(shift, x, scale)
        return cond.batch_norm_and_film(self, x)

    def batch_norm_and_film(self, x: Tensor, cond: Condition) -> Tensor:
        """Training mode: normalise by batch statistics, which update the running ones, then apply FiLM."""
        x = self.normalise(x, cond.zeros, cond.width)
        if self.film is None:
            return x
        gamma, beta = cond.films[self.index]
        return torch.addcmul(cond.spread(beta, x), x, cond.spread(gamma, x))

    def normalise(self, x: Tensor, zeros: int, width: float) -> Tensor:
        """Training mode: normalise by the batch statistics of each branch. A branch without samples is not called, so
        that its running statistics stay."""
        bn_a, bn_c = at_width(self.bn_a, width), at_width(self.bn_c, width)
        if bn_c is None or zeros == 0:
            return bn_a(x)
        if zeros == len(x):
            return bn_c(x)
        return torch.cat([bn_c(x[:zeros]), bn_a(x[zeros:])])

    def fold(self, film: tuple[Tensor, Tensor] | None, is_zero: Tensor, width: float = 1.0) -> tuple[Tensor, Tensor]:
        """Eval mode: fold BN and FiLM into (scale, shift), each (R or 1, αC). `is_zero`: (R,) bool, through BN_c."""
        scale, shift = self.running_affine(is_zero, width)
        if film is not None:
            gamma, beta = film
            scale, shift = gamma * scale, gamma * shift + beta
        return torch.atleast_2d(scale).contiguous(), torch.atleast_2d(shift).contiguous()

    def running_affine(self, is_zero: Tensor, width: float) -> tuple[Tensor, Tensor]:
        """Eval mode: (scale, shift) of each sample's BN; (αC,) where all samples share one BN, else (R, αC)."""
        bn_a, bn_c = at_width(self.bn_a, width), at_width(self.bn_c, width)
        scale, shift = affine_of(bn_a)
        if bn_c is None:
            return scale, shift
        scale_c, shift_c = affine_of(bn_c)
        return torch.where(is_zero[:, None], scale_c, scale), torch.where(is_zero[:, None], shift_c, shift)


def normal_bn(channels: int, film: FiLM | None = None, widths: tuple[float, ...] = ()) -> ConditionalNorm:
    """Make one BN, followed by FiLM where `film` is given."""
    return ConditionalNorm(channels, False, film, widths)


def dual_bn(channels: int, film: FiLM | None = None, widths: tuple[float, ...] = ()) -> ConditionalNorm:
    """Make BN_c and BN_a (Sec. 3.2), followed by FiLM where `film` is given."""
    return ConditionalNorm(channels, True, film, widths)


def dual_bn_without_film(channels: int, film: FiLM | None = None, widths: tuple[float, ...] = ()) -> ConditionalNorm:
    """Make BN_c and BN_a and drop `film`: λ selects a branch and is no input of the network (docs/dials.md)."""
    return ConditionalNorm(channels, True, None, widths)


def affine_of(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """(C,) scale and (C,) shift that a BN in eval mode applies."""
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    return scale, bn.bias - bn.running_mean * scale
