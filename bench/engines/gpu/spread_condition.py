"""λ of a batch as scale and shift of all norm layers, for every image."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.engines.gpu.masked_dual_bn import MaskedDualBN, images, same_branch_average
from bench.engines.gpu.norm_layers import NormLayers
from bench.models.dual_bn import Condition, ConditionalNorm


class SpreadCondition(Condition):
    """`scale`, `shift`: (N or 1, ΣC), of all norm layers side by side."""

    def __init__(self, training: bool, layers: NormLayers, scale: Tensor, shift: Tensor, zeros: int = 0):
        super().__init__(training, layers.width, zeros=zeros)
        self.layers, self.scale, self.shift = layers, torch.atleast_2d(scale), torch.atleast_2d(shift)
        self.by_dtype: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = {}

    def of_layer(self, index: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(N or 1, C) scale and shift of a norm layer. Those of all layers are cast together, once."""
        if dtype not in self.by_dtype:
            parts = (value.to(dtype).split(self.layers.sizes, dim=1) for value in (self.scale, self.shift))
            self.by_dtype[dtype] = list(zip(*parts, strict=True))
        return self.by_dtype[dtype][index]

    def affine_of(self, index: int) -> tuple[Tensor, Tensor]:
        return self.of_layer(index, self.scale.dtype)

    def spread_affine(self, index: int, x: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.of_layer(index, x.dtype)
        return images(scale), images(shift)


class TrainingCondition(SpreadCondition):
    """Training mode, for passes over n images, the first `zeros` of which are the λ=0 samples. The engine calls
    `update_running_statistics` after a pass."""

    def __init__(self, layers: NormLayers, scale: Tensor, shift: Tensor, zeros: int, n: int):
        super().__init__(True, layers, scale, shift, zeros)
        self.n = n
        self.masked = layers.dual_statistics and 0 < zeros < n
        self.average = same_branch_average(zeros, scale.detach(), n) if self.masked else None
        self.used: list[nn.BatchNorm2d] = []  # by the pass so far
        self.masked_statistics: list[tuple[nn.BatchNorm2d, Tensor, Tensor, float]] = []

    def batch_norm_and_film(self, norm: ConditionalNorm, x: Tensor) -> Tensor:
        if len(x) != self.n:
            raise ValueError(f"a condition made for {self.n} images is asked to serve {len(x)}")
        branches = self.layers.branches[norm.index]
        if self.masked:
            return self.masked_dual_bn(norm.index, x, branches.clean_bn, branches.bn)
        bn = branches.clean_bn if 0 < self.zeros == self.n else branches.bn
        self.used.append(bn)
        x = F.batch_norm(x, bn.running_mean, bn.running_var, None, None, True, bn.momentum, bn.eps)
        scale, shift = self.of_layer(norm.index, x.dtype)
        return torch.addcmul(images(shift), x, images(scale))

    def masked_dual_bn(self, index: int, x: Tensor, *bns: nn.BatchNorm2d) -> Tensor:
        """The first image has the statistics of BN_c's branch, and the last one those of BN_a's."""
        scale, shift = self.of_layer(index, self.scale.dtype)
        y, mean, var = MaskedDualBN.apply(x, scale, shift, self.average, self.layers.eps)
        pixels = x.shape[2] * x.shape[3]
        for bn, count, image in zip(bns, (self.zeros, self.n - self.zeros), (0, -1), strict=True):
            values = count * pixels
            if values == 1:
                raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
            self.used.append(bn)
            self.masked_statistics.append((bn, mean[image], var[image], values / (values - 1)))
        return y

    @torch.no_grad()
    def update_running_statistics(self) -> None:
        """Update those of all norm layers that the pass went through. F.batch_norm has done so, but for the number of
        batches."""
        if self.masked_statistics:
            bns, means, variances, unbiased = zip(*self.masked_statistics, strict=True)
            running = [bn.running_mean for bn in bns] + [bn.running_var for bn in bns]
            batch = [*means, *torch._foreach_mul(variances, unbiased)]
            torch._foreach_lerp_(running, batch, self.layers.momentum)
        torch._foreach_add_([bn.num_batches_tracked for bn in self.used], 1)
        self.used, self.masked_statistics = [], []
