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
        code = rows = None
        if self.conditional:
            values, rows = distinct(lam)
            code = encode(values, self.lambdas, self.codebook, self.recipe.protocol.unseen)
        if not self.training:
            values = lam if rows is None else values
            through_c = values == 0 if branch is None else torch.full_like(values, branch == "c", dtype=torch.bool)
            # In full precision; and what autocast casts without a graph it would keep, without a graph, for training.
            with torch.no_grad(), torch.autocast(lam.device.type, enabled=False):
                affine = [norm.fold(code, through_c, width) for norm in self.norms]
            return Condition(code, 0, affine, width, rows)
        if zeros is None:
            zeros = int((lam == 0).sum())
            if bool((lam[:zeros] != 0).any()):
                raise ValueError("in training mode the λ=0 samples must come first in the batch")
        return Condition(code, zeros, None, width, rows)

    def forward(self, x: Tensor, lam: Tensor | Condition) -> Tensor:
        """(N, C, H, W) images in [0,1] and (N,) λ, or a Condition made for them → (N, classes) logits."""
        return self.features(x, lam if isinstance(lam, Condition) else self.condition(lam))


def distinct(lam: Tensor) -> tuple[Tensor, Tensor | None]:
    """(N,) λ → (R,) distinct ones and (N,) which of them each is: FiLM is worked out once per λ. Or λ itself and None,
    for a single one, and on a GPU, which works FiLM out for all N in less time than it waits for R."""
    if len(lam) == 1 or lam.device.type != "cpu":
        return lam, None
    return torch.unique(lam, return_inverse=True)
