"""The engine for accelerators: the plain network, with all norm layers' λ-dependent parts computed at once."""

import torch
from torch import Tensor

from bench.engines.eager import EagerEngine
from bench.engines.gpu.norm_layers import NormLayers, combined, supported
from bench.engines.gpu.spread_condition import SpreadCondition, TrainingCondition
from bench.models.dual_bn import Condition
from bench.models.network import clean_branch, distinct, leading_zeros


class GpuEngine(EagerEngine):
    """`Engine` in bench/engines/__init__.py documents the methods.

    Runs on every device. The plain network computes norm layers of another kind than those of bench/models.
    """

    name = "gpu"

    def condition(self, lam: Tensor, zeros=None, width=1.0, branch=None, training=None, rows=None) -> Condition:
        net = self.net
        layers = NormLayers(net.norms, width) if supported(net) else None
        if layers is None or not layers.alike():
            return net.condition(lam, zeros, width, branch, training)
        if not net.conditional:
            lams, rows = lam, None
        elif rows is None:
            lams, rows = distinct(lam)
        else:
            lams = net.lambdas
        with torch.autocast(lam.device.type, enabled=False):
            code = net.code(lams) if net.conditional else None
            if net.training if training is None else training:
                return self.training_condition(layers, code, rows, leading_zeros(lam, zeros), len(lam))
            return self.eval_condition(layers, code, rows, clean_branch(lams, branch))

    def training_condition(
        self, layers: NormLayers, code: Tensor | None, rows: Tensor | None, zeros: int, n: int
    ) -> TrainingCondition:
        """γ and β go to the images by a product with a matrix of zeros and ones: its gradient adds up in one order, as
        that of an indexing does not on a GPU."""
        film = layers.film(code)
        if film is not None and rows is not None:
            member = (rows[:, None] == torch.arange(len(code), device=rows.device)).to(code.dtype)
            film = tuple(member @ value for value in film)
        if layers.dual_affine and 0 < zeros < n:
            is_clean = torch.arange(n, device=self.net.head.weight.device)[:, None] < zeros
            pairs = zip(layers.affine(clean=True), layers.affine(clean=False), strict=True)
            affine = tuple(torch.where(is_clean, *pair) for pair in pairs)
        else:
            affine = layers.affine(clean=0 < zeros == n)
        return TrainingCondition(layers, *combined(film, affine), zeros, n)

    @torch.no_grad()
    def eval_condition(
        self, layers: NormLayers, code: Tensor | None, rows: Tensor | None, is_clean: Tensor
    ) -> SpreadCondition:
        affine = layers.running_affine(clean=False)
        if layers.dual_affine:
            pairs = zip(layers.running_affine(clean=True), affine, strict=True)
            affine = tuple(torch.where(is_clean[:, None], *pair) for pair in pairs)
        scale, shift = combined(layers.film(code), affine)
        if rows is not None and scale.dim() == 2 and len(scale) > 1:
            scale, shift = scale.index_select(0, rows), shift.index_select(0, rows)
        return SpreadCondition(False, layers, scale, shift)

    def logits(self, x: Tensor, cond: Condition) -> Tensor:
        logits = self.net(x, cond)
        if isinstance(cond, TrainingCondition):
            cond.update_running_statistics()
        return logits
