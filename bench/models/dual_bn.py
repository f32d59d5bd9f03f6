"""Batch normalisation conditioned on λ: (dual) BN, then FiLM (Sec. 3.1 and 3.2).

In training mode a batch is sorted so that its λ=0 samples come first: they go through BN_c, the rest through BN_a.
In eval mode BN followed by FiLM is one scale and shift per sample and channel, in any order of samples. It does not
depend on the image, so `Condition` holds it, worked out once for all steps of an attack.

A slimmable network's layers use the first fraction α of their channels (Sec. 3.3; bench/models/slimmable.py).
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.engines import cpu
from bench.models.film import FiLM, films
from bench.models.slimmable import at_width, batch_norm


@dataclass(eq=False)
class Condition:
    """What a batch is conditioned on, R being its distinct λ. `rows` (N,) which of them each sample has, None where R
    is N or 1. Training mode: `films` (γ, β) per norm layer, each (R, C), or None without FiLM, and `zeros`, the number
    of leading λ=0 samples. Eval mode: `affine`, one (scale, shift) per norm layer, each (R or 1, C). `width` is the
    width factor α of the sub-network.

    Where `films` is None they are worked out when a norm asks for them, from the λ's `code` (R, d) by FiLM's `layers`
    with or without a graph as when the condition was made. The kernels do not ask: they have them without a graph."""

    films: list[tuple[Tensor, Tensor] | None] | None
    zeros: int
    affine: list[tuple[Tensor, Tensor]] | None = None
    width: float = 1.0
    rows: Tensor | None = None
    code: Tensor | None = None
    layers: list["FiLM | None"] | None = None
    graph: bool = field(default_factory=torch.is_grad_enabled)
    fitted: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def row_of_each(self, n: int) -> Tensor:
        """(n,) which of the R distinct λ each of n images has."""
        if self.rows is not None:
            return self.rows
        given = [film[0] for film in self.films or () if film is not None]
        several = any(len(value) > 1 for value in (given if self.code is None else [self.code]))
        return torch.arange(n) if several else torch.zeros(n, dtype=torch.int64)

    def film(self, index: int) -> tuple[Tensor, Tensor] | None:
        """γ and β of a norm layer in training mode."""
        if self.films is None:
            # In full precision; and what autocast casts without a graph it would keep, without a graph, for training.
            with torch.set_grad_enabled(self.graph), torch.autocast(self.device, enabled=False):
                self.films = films(self.layers, self.code, self.width)
        return self.films[index]

    @property
    def device(self) -> str:
        return "cpu" if self.code is None else self.code.device.type

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


class ConditionalNorm(nn.Module):
    """BN, or a pair (BN_c, BN_a), then FiLM where `film` is given. Called with (N, αC, H, W) and a Condition.

    In a slimmable network each BN is switchable: one per width. Another kind of norm overrides `_normalise` (training
    mode) and `_running` (eval mode), as dual_affine_bn.py does, and says that it is not `alone` BN by branch.
    """

    alone = True

    def __init__(self, channels: int, dual: bool = False, film: FiLM | None = None, widths: tuple[float, ...] = ()):
        super().__init__()
        self.bn_a = batch_norm(channels, widths)
        self.bn_c = batch_norm(channels, widths) if dual else None
        self.film = film
        self.index = -1  # position in Condition.affine, set by the network

    def forward(self, x: Tensor, cond: Condition, plus: Tensor | None = None, relu: bool = False) -> Tensor:
        """(N, αC, H, W) → the same; then `plus`, which is like x, is added, and ReLU taken, if asked for."""
        if cond.affine is not None:
            scale, shift = cond.affine_for(self.index, x)
            x = torch.addcmul(shift, x, scale)
        elif self.alone and cpu.usable(x) and batch_norm.supported(x):
            row, film = cond.row_of_each(x.shape[0]), cond.film(self.index)
            zeros = cond.zeros if self.bn_c is not None else 0
            return batch_norm.normalise(x, self.branches(cond, x.shape[0]), film, zeros, row, plus, relu)
        else:
            x = self._normalise(x, cond.zeros, cond.width)
            if self.film is not None:
                gamma, beta = cond.film(self.index)
                x = torch.addcmul(cond.fit(beta, x), x, cond.fit(gamma, x))
        x = x if plus is None else x + plus
        return F.relu(x, inplace=True) if relu else x

    def branches(self, cond: Condition, n: int) -> dict[str, nn.BatchNorm2d]:
        """Training mode: the BNs that n images go through, of c and a."""
        found = self.pair(cond.width)
        if "c" in found and cond.zeros in (0, n):
            del found["c" if cond.zeros == 0 else "a"]
        return found

    def pair(self, width: float) -> dict[str, nn.BatchNorm2d]:
        """The BNs of a width by branch, c and a, or a alone."""
        found = {"a": at_width(self.bn_a, width)}
        return found if self.bn_c is None else {"c": at_width(self.bn_c, width)} | found

    def _normalise(self, x: Tensor, zeros: int, width: float) -> Tensor:
        """Batch statistics per branch. A branch without samples is not called: its running statistics stay."""
        bn_a, bn_c = at_width(self.bn_a, width), at_width(self.bn_c, width)
        if bn_c is None or zeros == 0:
            return bn_a(x)
        if zeros == len(x):
            return bn_c(x)
        return torch.cat([bn_c(x[:zeros]), bn_a(x[zeros:])])

    def fold(self, film: tuple[Tensor, Tensor] | None, is_zero: Tensor, width: float = 1.0) -> tuple[Tensor, Tensor]:
        """Eval mode: (scale, shift), each (R or 1, αC), of BN and FiLM together. `is_zero` is (R,) bool."""
        scale, shift = self._running(is_zero, width)
        if film is not None:
            gamma, beta = film
            scale, shift = gamma * scale, gamma * shift + beta
        return torch.atleast_2d(scale).contiguous(), torch.atleast_2d(shift).contiguous()

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
