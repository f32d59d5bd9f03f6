"""Slimmable layers (Yu et al., ICLR 2019; the paper's Sec. 3.3): at width α a layer is the first α of its channels.

What a layer gets is already slimmed, so only its outputs need the width: the inputs are as many as arrive. At width 1
these are torch's own layers, with the same names in the weights file.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from bench.engines import cpu
from bench.engines.cpu import convolution


def slim(channels: int, width: float) -> int:
    """How many of the channels a sub-network of this width has, at least one."""
    return max(1, int(channels * width + 1e-9))


class SlimConv2d(nn.Conv2d):
    def outputs(self, width: float) -> int:
        return slim(self.out_channels, width)

    def part(self, width: float, inputs: int) -> Tensor:
        """Of the weight, what a sub-network uses."""
        return self.weight if width == 1 else self.weight[: self.outputs(width), :inputs]

    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        weight = self.part(width, x.shape[1])
        if cpu.usable(x) and convolution.supported(self, x.shape[1], weight.shape[0]):
            return convolution.Convolution.apply(x, weight, self.weight, self.stride[0])
        return F.conv2d(x, weight, None, self.stride, self.padding)


class SlimLinear(nn.Linear):
    """`width` slims the outputs; a classifier's stay whole."""

    def part(self, inputs: int) -> Tensor:
        """Of the weight, what a classifier uses."""
        return self.weight if inputs == self.in_features else self.weight[:, :inputs]

    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        if width == 1 and x.shape[1] == self.in_features:
            return super().forward(x)
        outputs = slim(self.out_features, width)
        return F.linear(x, self.weight[:outputs, : x.shape[1]], self.bias[:outputs])


class SwitchableBN(nn.ModuleList):
    """One BN per width, each with statistics and parameters of its own: shared ones do not work (Yu et al.)."""

    def __init__(self, channels: int, widths: tuple[float, ...]):
        super().__init__(nn.BatchNorm2d(slim(channels, width)) for width in widths)
        self.widths = widths


def batch_norm(channels: int, widths: tuple[float, ...]) -> nn.BatchNorm2d | SwitchableBN:
    return SwitchableBN(channels, widths) if widths else nn.BatchNorm2d(channels)


def at_width(bn: nn.Module | None, width: float) -> nn.BatchNorm2d | None:
    """The BN of a width, None where there is no BN. Raises ValueError where the network has not that width."""
    if not isinstance(bn, SwitchableBN):
        if width != 1 and bn is not None:
            raise ValueError(f"the network is not slimmable, so it has no width {width:g}")
        return bn
    if width not in bn.widths:
        raise ValueError(f"the network has the widths {', '.join(f'{w:g}' for w in bn.widths)}, not {width:g}")
    return bn[bn.widths.index(width)]
