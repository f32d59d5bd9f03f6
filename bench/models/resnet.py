"""ResNet-34 for small images (He et al., CVPR 2016, as usual for CIFAR): a 3×3 stem and no max-pooling."""

import torch.nn.functional as F
from torch import Tensor, nn

from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork
from bench.models.slimmable import SlimConv2d, SlimLinear
from bench.spec.recipe import Recipe

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # channels, blocks, stride of the first block


class BasicBlock(nn.Module):
    def __init__(self, net: ConditionalNetwork, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = SlimConv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = net.norm(outputs)
        self.conv2 = SlimConv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = net.norm(outputs)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = SlimConv2d(inputs, outputs, 1, stride, bias=False)
            self.norm_shortcut = net.norm(outputs, authors_film=False)

    def forward(self, x: Tensor, cond: Condition) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x, cond.width), cond))
        shortcut = x if self.shortcut is None else self.norm_shortcut(self.shortcut(x, cond.width), cond)
        return F.relu(self.norm2(self.conv2(h, cond.width), cond) + shortcut)


class ResNet34(ConditionalNetwork):
    def __init__(self, recipe: Recipe, in_channels: int, classes: int):
        super().__init__(recipe)
        self.stem = SlimConv2d(in_channels, 64, 3, 1, 1, bias=False)
        self.norm_stem = self.norm(64)
        blocks, inputs = [], 64
        for channels, count, stride in STAGES:
            for i in range(count):
                blocks.append(BasicBlock(self, inputs, channels, stride if i == 0 else 1))
                inputs = channels
        self.blocks = nn.ModuleList(blocks)
        self.head = SlimLinear(inputs, classes)
        self.number_norms()

    def features(self, x: Tensor, cond: Condition) -> Tensor:
        h = F.relu(self.norm_stem(self.stem(x, cond.width), cond))
        for block in self.blocks:
            h = block(h, cond)
        return h
