"""What every conditional network shares: λ → Condition, and f(x, λ)."""

import torch
from torch import Tensor, nn

from bench.models.dual_affine import DualAffineNorm
from bench.models.encoding import codebook, encode
from bench.models.layers import Condition, ConditionalNorm, FiLM
from bench.specs import Recipe


class ConditionalNetwork(nn.Module):
    """A backbone whose norm layers are conditioned on λ. A subclass gives `features(x, cond) -> logits`.

    For PGD-AT there is neither FiLM nor dual BN and λ is ignored: the plain network.
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
        """A norm layer of this recipe; `authors_film`: whether the authors' code puts FiLM here too (ledger row 3)."""
        protocol, film = self.recipe.protocol, None
        if self.conditional and (protocol.film == "paper" or authors_film):
            film = FiLM(self.codebook.shape[1], channels, protocol.film, protocol.film_init)
        if self.recipe.norm == "dual-affine":
            return DualAffineNorm(channels, film, self.recipe.widths)
        return ConditionalNorm(channels, self.recipe.norm == "dual", film, self.recipe.widths)

    def number_norms(self) -> None:
        """To be called once, at the end of a subclass's constructor."""
        self.norms = [m for m in self.modules() if isinstance(m, ConditionalNorm)]
        for index, norm in enumerate(self.norms):
            norm.index = index

    def condition(
        self, lam: Tensor, zeros: int | None = None, width: float = 1.0, branch: str | None = None
    ) -> Condition:
        """(N,) λ and a width factor → Condition, for as many forward passes as wanted while the weights stay.

        In training mode the λ=0 samples must come first; `zeros`, their number, spares a look at the device. In eval
        mode `branch`, "a" or "c", sends all through one of dual BN's branches, whatever their λ.
        """
        code = encode(lam, self.lambdas, self.codebook, self.recipe.protocol.unseen) if self.conditional else None
        if not self.training:
            through_c = lam == 0 if branch is None else torch.full_like(lam, branch == "c", dtype=torch.bool)
            with torch.no_grad():
                return Condition(code, 0, [norm.fold(code, through_c, width) for norm in self.norms], width)
        if zeros is None:
            zeros = int((lam == 0).sum())
            if bool((lam[:zeros] != 0).any()):
                raise ValueError("in training mode the λ=0 samples must come first in the batch")
        return Condition(code, zeros, None, width)

    def forward(self, x: Tensor, lam: Tensor | Condition) -> Tensor:
        """(N, C, H, W) images in [0,1] and (N,) λ, or a Condition made for them → (N, classes) logits."""
        return self.features(x, lam if isinstance(lam, Condition) else self.condition(lam))
