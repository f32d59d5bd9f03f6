"""The conditional network f(x, λ) of Sec. 3.1: λ → Condition, and images with a Condition → logits."""

import torch
from torch import Tensor, nn

from bench.errors import BadInput
from bench.models.dual_bn import Condition, ConditionalNorm
from bench.models.film import FiLM
from bench.models.lambda_encoding import codebook, encode
from bench.spec.recipe import Recipe
from bench.spec.registry import NORMS, resolve


class ConditionalNetwork(nn.Module):
    """A backbone whose norm layers are conditioned on λ.

    A subclass defines `features(x, cond)`, the maps (N, C', H', W') that are averaged and classified by its `head`, and
    calls `number_norms` at the end of its constructor. A PGD-AT network has neither FiLM nor dual BN and ignores λ.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        self.conditional = recipe.method != "pgd_at"
        if self.conditional:
            book = codebook(recipe.encoding, recipe.lambdas, recipe.protocol.encoding_seed, recipe.protocol.dct)
            self.register_buffer("codebook", book)
            self.register_buffer("lambdas", torch.tensor(recipe.lambdas, dtype=torch.float32))

    def norm(self, channels: int, authors_film: bool = True) -> ConditionalNorm:
        """Make a norm layer. `authors_film`: whether the authors' code has FiLM at this place (ledger row 3)."""
        protocol, film = self.recipe.protocol, None
        if self.conditional and (protocol.film == "paper" or authors_film):
            film = FiLM(self.codebook.shape[1], channels, protocol.film, protocol.film_init)
        norm = resolve(NORMS[self.recipe.norm])(channels, film, self.recipe.widths)
        if not isinstance(norm, ConditionalNorm):
            raise BadInput(f"norm {self.recipe.norm!r} is a {type(norm).__name__}; a ConditionalNorm is expected")
        return norm

    def number_norms(self) -> None:
        """Give each norm layer its index. A subclass calls this once, at the end of its constructor."""
        self.norms = [module for module in self.modules() if isinstance(module, ConditionalNorm)]
        for index, norm in enumerate(self.norms):
            norm.index = index

    def forward(self, x: Tensor, lam: Tensor | Condition) -> Tensor:
        """(N, C, H, W) images in [0,1], and (N,) λ or a Condition made of them → (N, classes) logits. In eval mode the
        parameters get no gradient: BN and FiLM are folded without a graph."""
        cond = lam if isinstance(lam, Condition) else self.condition(lam)
        return self.head(self.features(x, cond).mean(dim=(2, 3)))

    def condition(
        self,
        lam: Tensor,
        zeros: int | None = None,
        width: float = 1.0,
        branch: str | None = None,
        training: bool | None = None,
    ) -> Condition:
        """Make the Condition of (N,) λ at a width factor α, valid for any number of passes until the weights change.

        training: the mode of the passes; default: the network's own mode. In training mode the λ=0 samples must come
        first; giving their number `zeros` avoids a look at the device. In eval mode `branch`, "a" or "c", sends all
        samples through that branch of dual BN, whatever their λ. Raises ValueError where λ=0 samples are not first.
        """
        distinct_lam, rows = distinct(lam) if self.conditional else (lam, None)
        code = self.code(distinct_lam) if self.conditional else None
        if self.training if training is None else training:
            return Condition(True, width, rows, self.films(code, width), leading_zeros(lam, zeros))
        return Condition(False, width, rows, affine=self.fold(code, clean_branch(distinct_lam, branch), width))

    def with_lambda(self, cond: Condition, lam: Tensor) -> Condition:
        """Complete an eval-mode Condition whose norm layers alone are conditioned; other layers may take λ as well."""
        return cond

    def code(self, lam: Tensor) -> Tensor:
        """Encode (R,) λ as (R, d) by the recipe's codebook."""
        return encode(lam, self.lambdas, self.codebook, self.recipe.protocol.unseen)

    def films(self, code: Tensor | None, width: float) -> list[tuple[Tensor, Tensor] | None]:
        """Compute (γ, β) of each norm layer from codes (R, d), in fp32; None for a layer without FiLM."""
        with torch.autocast(self.head.weight.device.type, enabled=False):
            return [norm.film and norm.film(code, width) for norm in self.norms]

    @torch.no_grad()
    def fold(self, code: Tensor | None, is_clean: Tensor, width: float) -> list[tuple[Tensor, Tensor]]:
        """Fold BN and FiLM of each norm layer into (scale, shift), in fp32. `is_clean`: (R,) bool, through BN_c."""
        with torch.autocast(self.head.weight.device.type, enabled=False):
            films = self.films(code, width)
            return [norm.fold(film, is_clean, width) for norm, film in zip(self.norms, films, strict=True)]


def distinct(lam: Tensor) -> tuple[Tensor, Tensor | None]:
    """(N,) λ → (R,) distinct values and (N,) the index of each sample's value, so that FiLM runs once per λ.

    Returns λ itself and None where N is 1, and on a GPU, which computes FiLM for all N faster than it synchronises.
    """
    if len(lam) == 1 or lam.device.type != "cpu":
        return lam, None
    values, rows = torch.unique(lam, return_inverse=True)
    return values, None if len(values) == 1 else rows


def leading_zeros(lam: Tensor, zeros: int | None) -> int:
    """Count the λ=0 samples unless `zeros` gives their number. Raises ValueError where they do not come first."""
    if zeros is None:
        zeros = int((lam == 0).sum())
        if bool((lam[:zeros] != 0).any()):
            raise ValueError("in training mode the λ=0 samples must come first in the batch")
    return zeros


def clean_branch(lam: Tensor, branch: str | None) -> Tensor:
    """(R,) bool: which λ go through BN_c. Those with λ=0, or all or none where `branch` names one."""
    return lam == 0 if branch is None else torch.full_like(lam, branch == "c", dtype=torch.bool)
