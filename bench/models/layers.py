"""Batch normalisation conditioned on λ: (dual) BN, then FiLM (Sec. 3.1 and 3.2).

In training mode a batch is sorted so that its λ=0 samples come first: they go through BN_c, the rest through BN_a.
In eval mode BN followed by FiLM is one scale and shift per sample and channel, in any order of samples. It does not
depend on the image, so `Condition` holds it, worked out once for all steps of an attack.

A slimmable network's layers use the first fraction α of their channels (Sec. 3.3; bench/models/slimming.py).
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.slimming import SlimLinear, at_width, batch_norm, slim


@dataclass
class Condition:
    """What a batch is conditioned on. `code` (R, d), one row per distinct λ, or None without FiLM; `rows` (N,) which of
    them each sample has, None where R is N or 1; `zeros` the number of leading λ=0 samples (training mode); `affine`
    one (scale, shift) per norm layer, each (R or 1, C) (eval mode); `width` the width factor α of the sub-network."""

    code: Tensor | None
    zeros: int
    affine: list[tuple[Tensor, Tensor]] | None = None
    width: float = 1.0
    rows: Tensor | None = None
    fitted: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def fit(self, per_channel: Tensor, x: Tensor) -> Tensor:
        """(R or 1, C) → (N or 1, C, 1, W) like x (N, C, H, W). Spread over W too, because a CPU broadcasts along C
        alone several times more slowly."""
        if self.rows is not None and len(per_channel) > 1:
            per_channel = per_channel.index_select(0, self.rows)
        wide = per_channel.to(x.dtype)[:, :, None, None].expand(-1, -1, 1, x.shape[3])
        return wide.contiguous(memory_format=torch.channels_last)

    def affine_for(self, index: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift of a norm layer, fitted to x once for all steps of an attack."""
        found = self.fitted.get(index)
        if found is None or found[0].dtype != x.dtype or found[0].shape[3] != x.shape[3]:
            found = self.fitted[index] = tuple(self.fit(value, x) for value in self.affine[index])
        return found


class FiLM(nn.Module):
    """γ and β of (N, αC) from a code of (N, d): two MLPs of two C-dimensional layers with a Leaky ReLU (Sec. 3.1).

    `authors`: one MLP of hidden width 2C for both, with a Leaky ReLU on γ and β too (ledger row 3). At width α both
    layers are the first α of their units, as in the authors' slimmable FiLM.
    """

    def __init__(self, dim: int, channels: int, kind: str = "paper", init: str = "one"):
        super().__init__()
        self.channels, self.kind = channels, kind
        if kind == "authors":
            self.both = MLP(dim, 2 * channels, 2 * channels)
        else:
            self.gamma, self.beta = MLP(dim, channels, channels), MLP(dim, channels, channels)
        if init == "one":  # Perez et al., AAAI 2018, predict γ - 1: a γ around 0 would start by erasing the features
            last = self.both[2] if kind == "authors" else self.gamma[2]
            with torch.no_grad():
                last.bias[:channels] += 1

    def forward(self, code: Tensor, width: float = 1.0) -> tuple[Tensor, Tensor]:
        if self.kind == "authors":
            both, channels = F.leaky_relu(self.both(code, width)), slim(self.channels, width)
            return both[:, :channels], both[:, channels : 2 * channels]  # at some widths the MLP has a unit more
        return self.gamma(code, width), self.beta(code, width)


class MLP(nn.Sequential):
    """Linear, Leaky ReLU, linear; at width α the first α of the hidden and output units."""

    def __init__(self, inputs: int, hidden: int, outputs: int):
        super().__init__(SlimLinear(inputs, hidden), nn.LeakyReLU(), SlimLinear(hidden, outputs))

    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        first, activation, second = self
        return second(activation(first(x, width)), width)


class ConditionalNorm(nn.Module):
    """BN, or a pair (BN_c, BN_a), then FiLM where `film` is given. Called with (N, αC, H, W) and a Condition.

    In a slimmable network each BN is switchable: one per width. Another kind of norm overrides `_normalise` (training
    mode) and `_running` (eval mode), as bench/models/dual_affine.py does.
    """

    def __init__(self, channels: int, dual: bool = False, film: FiLM | None = None, widths: tuple[float, ...] = ()):
        super().__init__()
        self.bn_a = batch_norm(channels, widths)
        self.bn_c = batch_norm(channels, widths) if dual else None
        self.film = film
        self.index = -1  # position in Condition.affine, set by the network

    def forward(self, x: Tensor, cond: Condition) -> Tensor:
        if not self.training:
            scale, shift = cond.affine_for(self.index, x)
            return torch.addcmul(shift, x, scale)
        x = self._normalise(x, cond.zeros, cond.width)
        if self.film is None:
            return x
        gamma, beta = self.film(cond.code, cond.width)
        return torch.addcmul(cond.fit(beta, x), x, cond.fit(gamma, x))

    def _normalise(self, x: Tensor, zeros: int, width: float) -> Tensor:
        """Batch statistics per branch. A branch without samples is not called: its running statistics stay."""
        bn_a, bn_c = at_width(self.bn_a, width), at_width(self.bn_c, width)
        if bn_c is None or zeros == 0:
            return bn_a(x)
        if zeros == len(x):
            return bn_c(x)
        return torch.cat([bn_c(x[:zeros]), bn_a(x[zeros:])])

    def fold(self, code: Tensor | None, is_zero: Tensor, width: float = 1.0) -> tuple[Tensor, Tensor]:
        """Eval mode: (scale, shift), each (R or 1, αC), of BN and FiLM together. `is_zero` is (R,) bool."""
        scale, shift = self._running(is_zero, width)
        if self.film is not None:
            gamma, beta = self.film(code, width)
            scale, shift = gamma * scale, gamma * shift + beta
        return torch.atleast_2d(scale), torch.atleast_2d(shift)

    def _running(self, is_zero: Tensor, width: float) -> tuple[Tensor, Tensor]:
        """Eval mode: (scale, shift) of the BN of each sample's branch, (αC,) where all have the same, else (N, αC)."""
        bn_a, bn_c = at_width(self.bn_a, width), at_width(self.bn_c, width)
        scale, shift = running_affine(bn_a)
        if bn_c is None:
            return scale, shift
        scale_c, shift_c = running_affine(bn_c)
        return torch.where(is_zero[:, None], scale_c, scale), torch.where(is_zero[:, None], shift_c, shift)


def running_affine(bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """(C,) scale and shift of a BN in eval mode."""
    scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    return scale, bn.bias - bn.running_mean * scale
