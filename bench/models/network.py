"""What every conditional network shares: λ → Condition, and f(x, λ)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.engines import cpu
from bench.engines.cpu import registered
from bench.engines.cpu.bn_film_folding import Folding
from bench.engines.cpu.c_structs import stored
from bench.engines.cpu.convolution import state
from bench.engines.cpu.inference_plan import Lists, Logits, Tape
from bench.engines.cpu.lowering import Unsupported
from bench.engines.cpu.training_plan import Pass, TrainingLogits
from bench.models.dual_affine_bn import DualAffineNorm
from bench.models.dual_bn import Condition, ConditionalNorm
from bench.models.film import FiLM, films
from bench.models.lambda_encoding import codebook, encode
from bench.spec.recipe import Recipe

CODES = 16  # batches' worth of them


class ConditionalNetwork(nn.Module):
    """A backbone whose norm layers are conditioned on λ. A subclass gives `features(x, cond)`, the maps (N, C', H', W')
    that are averaged and classified by its `head`, and makes them by `bench.models.unit` alone in eval mode.

    For PGD-AT there is neither FiLM nor dual BN and λ is ignored: the plain network.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        self.lists, self.kept = Lists(), Lists()  # between passes: the kernels' lists; codes of λ and the fold
        self.registered = registered.count()
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
        self,
        lam: Tensor,
        zeros: int | None = None,
        width: float = 1.0,
        branch: str | None = None,
        training: bool | None = None,
    ) -> Condition:
        """(N,) λ and a width factor → Condition, for as many forward passes as wanted while the weights stay.

        `training` says which mode those passes are in, the network's own unless given. In training mode the λ=0 samples
        must come first; `zeros`, their number, spares a look at the device. In eval mode `branch`, "a" or "c", sends
        all through one of dual BN's branches, whatever their λ.
        """
        self.follow()
        code, rows, values, layers = None, None, lam, [norm.film for norm in self.norms]
        if self.conditional:
            values, rows = distinct(lam)
            code = self.code(values)
        if not (self.training if training is None else training):
            through_c = values == 0 if branch is None else torch.full_like(values, branch == "c", dtype=torch.bool)
            return Condition([], 0, self.folded(code, through_c, width), width, rows)
        if zeros is None:
            zeros = int((lam == 0).sum())
            if bool((lam[:zeros] != 0).any()):
                raise ValueError("in training mode the λ=0 samples must come first in the batch")
        return Condition(None, zeros, None, width, rows, code, layers)

    def code(self, values: Tensor) -> Tensor:
        """(R,) λ → (R, d). On a CPU those of the last few λ are kept."""
        how = self.lambdas, self.codebook, self.recipe.protocol.unseen
        if values.device.type != "cpu":
            return encode(values, *how)
        kept, key = self.kept.setdefault("codes", {}), (values.dtype, state(self.codebook), *values.tolist())
        if key not in kept:
            if len(kept) == CODES:
                kept.clear()
            kept[key] = encode(values, *how)
        return kept[key]

    @torch.no_grad()
    def folded(self, code: Tensor | None, through_c: Tensor, width: float) -> list[tuple[Tensor, Tensor]]:
        """Condition.affine of codes (R, d) and (R,) booleans. In full precision."""
        weight = self.head.weight
        if weight.dtype == torch.float32 and cpu.usable(weight) and all(norm.alone for norm in self.norms):
            made = self.kept.setdefault("folding", {})
            if width not in made:
                made[width] = Folding(self.norms, width)
            return made[width].affine(code, through_c)
        with torch.autocast(weight.device.type, enabled=False):
            pairs = zip(self.norms, films([norm.film for norm in self.norms], code, width), strict=True)
            return [norm.fold(film, through_c, width) for norm, film in pairs]

    def forget(self) -> None:
        """What points to parameters and statistics, or came from them."""
        self.lists.clear()
        self.kept.clear()

    def follow(self) -> None:
        """Forget, where a part of the network may have been exchanged since."""
        if self.registered != (now := registered.count()):
            self.forget()
            self.registered = now

    def _apply(self, fn, *rest):
        self.forget()  # they move now
        return super()._apply(fn, *rest)

    def forward(self, x: Tensor, lam: Tensor | Condition) -> Tensor:
        """(N, C, H, W) images in [0,1] and (N,) λ, or a Condition made for them → (N, classes) logits. In eval mode
        only images get a gradient."""
        cond = lam if isinstance(lam, Condition) else self.condition(lam)
        if tape := self.tape(x, cond):
            return Logits.apply(x, tape, cond)
        if taken := self.training_pass(x, cond):
            keep = torch.is_grad_enabled()
            parameters = taken.parameters(cond, len(x)) if keep else ()
            return TrainingLogits.apply(x, taken, cond, keep, *parameters)
        return self.head(self.features(x, cond).mean(dim=(2, 3)))

    def by_kernels(self, x: Tensor, cond: Condition) -> bool:
        """Whether they can take these images and weights. ValueError where the condition is of another number of
        images, beyond which they would read."""
        self.follow()
        if cond.rows is not None and len(cond.rows) != len(x):
            raise ValueError(f"a condition made for {len(cond.rows)} images is asked to serve {len(x)}")
        return x.dtype == self.head.weight.dtype == torch.float32 and cpu.usable(x)

    def tape(self, x: Tensor, cond: Condition) -> Tape | None:
        """The kernels' own way through the network in eval mode, None where they have none."""
        if not self.by_kernels(x, cond) or cond.affine is None:
            return None
        made = self.lists.setdefault("tapes", [])
        return self.fitting(made, Tape, x, cond, lambda tape: True)

    def training_pass(self, x: Tensor, cond: Condition) -> Pass | None:
        """Likewise in training mode, one that no other pass has taken."""
        if not self.by_kernels(x, cond) or cond.affine is not None or x.requires_grad:
            return None
        if cond.layers is None or torch.is_grad_enabled() > cond.graph:  # its γ and β are somebody else's, or constants
            return None
        made = self.lists.setdefault("passes", [])
        return self.fitting(made, Pass, x, cond, lambda taken: taken.taker() is None)

    def fitting(self, made: list, kind: type, x: Tensor, cond: Condition, free: Callable) -> Tape | Pass | None:
        """One with room for these images, but not for twice as many; where there was one for such images that did not
        fit, it is dropped."""
        key, room = (tuple(x.shape[1:]), cond.width, stored(x)), -(-len(x) // 8) * 8
        for one in made:
            if one.key == key and room <= one.capacity < 2 * room and free(one):
                return one
        unsupported = self.lists.setdefault("unsupported", [])
        if (kind, key) in unsupported:
            return None
        made[:] = [one for one in made if one.key != key or not free(one)]
        try:
            found = kind(self, cond, key[0], key[2], room)
        except Unsupported:
            unsupported.append((kind, key))
            return None
        found.key = key
        made.append(found)
        return found


def distinct(lam: Tensor) -> tuple[Tensor, Tensor | None]:
    """(N,) λ → (R,) distinct ones and (N,) which of them each is: FiLM is worked out once per λ. Or λ itself and None,
    for a single one, and on a GPU, which works FiLM out for all N in less time than it waits for R."""
    if len(lam) == 1 or lam.device.type != "cpu":
        return lam, None
    values, rows = torch.unique(lam, return_inverse=True)
    return values, None if len(values) == 1 else rows
