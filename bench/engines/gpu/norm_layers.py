"""All norm layers of a network side by side: their parameters and statistics as one row of ΣC channels.

BN's weight w and bias b and FiLM's γ and β are one scale γw and one shift γb + β of the normalised images. In eval mode
the running statistics are folded in too. Side by side, a few launches compute them for all layers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.engines.gpu.batched_film import batched_films
from bench.models.dual_affine_bn import Affine, DualAffineNorm
from bench.models.dual_bn import ConditionalNorm
from bench.models.film import FiLM
from bench.models.network import ConditionalNetwork
from bench.models.slimmable import SwitchableBN, at_width


@dataclass(frozen=True)
class Branches:
    """What the λ=0 images of a norm layer and the other ones go through: the BN whose statistics normalise them, and
    the module whose weight and bias follow. A layer may have one of a kind for all images."""

    clean_bn: nn.BatchNorm2d
    bn: nn.BatchNorm2d
    clean_affine: nn.BatchNorm2d | Affine
    affine: nn.BatchNorm2d


def branches_of(norm: ConditionalNorm, width: float) -> Branches:
    if isinstance(norm, DualAffineNorm):
        bn, clean = norm.branches(width)
        return Branches(bn, bn, clean, bn)
    bn = at_width(norm.bn_a, width)
    clean = bn if norm.bn_c is None else at_width(norm.bn_c, width)
    return Branches(clean, bn, clean, bn)


class NormLayers:
    """The norm layers of a network at a width factor. `sizes`: the channels C of each; eps and momentum: of all BNs."""

    def __init__(self, norms: list[ConditionalNorm], width: float):
        self.norms, self.width = norms, width
        self.branches = [branches_of(norm, width) for norm in norms]
        self.sizes = [each.bn.num_features for each in self.branches]
        self.eps, self.momentum = self.branches[0].bn.eps, self.branches[0].bn.momentum
        self.dual_statistics = self.branches[0].clean_bn is not self.branches[0].bn
        self.dual_affine = self.branches[0].clean_affine is not self.branches[0].affine

    def alike(self) -> bool:
        """Whether all BNs have the same eps and momentum, as one computation for all of them needs."""
        bns = {bn for each in self.branches for bn in (each.clean_bn, each.bn)}
        return self.momentum is not None and {(bn.eps, bn.momentum) for bn in bns} == {(self.eps, self.momentum)}

    def film(self, code: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """Codes of λ (R, d) → (γ, β), each (R, ΣC), 1 and 0 in a layer without FiLM; None without FiLM in any layer."""
        if code is None or all(norm.film is None for norm in self.norms):
            return None
        films = batched_films(self.norms, code, self.width)
        neutral = torch.ones_like(code[:1, :1]), torch.zeros_like(code[:1, :1])
        return tuple(self.side_by_side(films, part, neutral[part].expand(1, len(code))).mT for part in (0, 1))

    def side_by_side(self, films: list[tuple[Tensor, Tensor] | None], part: int, neutral: Tensor) -> Tensor:
        """(ΣC, R) of γ (part 0) or β (part 1) of all layers."""
        layers = zip(films, self.sizes, strict=True)
        return torch.cat([neutral.expand(size, -1) if film is None else film[part] for film, size in layers])

    def affine(self, clean: bool) -> tuple[Tensor, Tensor]:
        """(ΣC,) weight and (ΣC,) bias of a branch."""
        modules = [each.clean_affine if clean else each.affine for each in self.branches]
        return torch.cat([module.weight for module in modules]), torch.cat([module.bias for module in modules])

    def running_affine(self, clean: bool) -> tuple[Tensor, Tensor]:
        """Eval mode: (ΣC,) scale and (ΣC,) shift of a branch, the running statistics folded in."""
        bns = [each.clean_bn if clean else each.bn for each in self.branches]
        mean, var = (torch.cat([getattr(bn, name) for bn in bns]) for name in ("running_mean", "running_var"))
        weight, bias = self.affine(clean)
        scale = weight * torch.rsqrt(var + self.eps)
        return scale, torch.addcmul(bias, mean, scale, value=-1)


def supported(net: ConditionalNetwork) -> bool:
    """Whether the network's norm layers are those of bench/models; a plugin's own are computed by the plain network."""
    own_methods = ("condition", "films", "fold", "forward")
    plain = all(getattr(type(net), name) is getattr(ConditionalNetwork, name) for name in own_methods)
    kinds = {type(norm) for norm in net.norms}
    return (
        plain
        and kinds in ({ConditionalNorm}, {DualAffineNorm})
        and len({norm.bn_c is None for norm in net.norms}) == 1
        and all(type(norm.film) in (FiLM, type(None)) for norm in net.norms)
        and all(type(norm.bn_a) in (nn.BatchNorm2d, SwitchableBN) for norm in net.norms)
    )


def combined(film: tuple[Tensor, Tensor] | None, affine: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """γ·(scale, shift) + (0, β): what FiLM makes of a scale and a shift before it."""
    scale, shift = affine
    if film is None:
        return scale, shift
    gamma, beta = film
    return gamma * scale, torch.addcmul(beta, gamma, shift)
