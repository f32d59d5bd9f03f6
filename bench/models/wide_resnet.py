"""Wide ResNets of any depth and width (Zagoruyko and Komodakis, BMVC 2016): pre-activation blocks with dropout."""

import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork
from bench.models.slimmable import SlimConv2d, SlimLinear
from bench.spec.recipe import Recipe


class WideBlock(nn.Module):
    def __init__(self, net: ConditionalNetwork, inputs: int, outputs: int, stride: int, dropout: float):
        super().__init__()
        self.norm1 = net.norm(inputs)
        self.conv1 = SlimConv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = net.norm(outputs)
        self.conv2 = SlimConv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = SlimConv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None
        self.dropout = dropout

    def forward(self, x: Tensor, cond: Condition) -> Tensor:
        h = F.relu(self.norm1(x, cond))
        shortcut = x if self.shortcut is None else self.shortcut(h, cond.width)
        h = F.relu(self.norm2(self.conv1(h, cond.width), cond))
        h = F.dropout(h, self.dropout, cond.training)
        return self.conv2(h, cond.width) + shortcut


class WideResNet(ConditionalNetwork):
    """WRN-depth-width: depth = 6n + 4 with n blocks in each of three stages of 16, 32, 64 × width channels.

    Raises ValueError for another depth.
    """

    def __init__(self, recipe: Recipe, in_channels: int, classes: int, depth: int, width: int):
        super().__init__(recipe)
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"a WRN's depth is 6n + 4 (10, 16, 22, 28, 34, 40, …), not {depth}")
        self.stem = SlimConv2d(in_channels, 16, 3, 1, 1, bias=False)
        blocks, inputs = [], 16
        for stage, stride in enumerate((1, 2, 2)):
            channels = 16 * width * 2**stage
            for i in range((depth - 4) // 6):
                blocks.append(WideBlock(self, inputs, channels, stride if i == 0 else 1, recipe.dropout))
                inputs = channels
        self.blocks = nn.ModuleList(blocks)
        self.norm_last = self.norm(inputs, authors_film=False)
        self.head = SlimLinear(inputs, classes)
        self.number_norms()

    def features(self, x: Tensor, cond: Condition) -> Tensor:
        h = self.stem(x, cond.width)
        for block in self.blocks:
            h = block(h, cond)
        return F.relu(self.norm_last(h, cond))
