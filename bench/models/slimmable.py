"""Slimmable layers (Yu et al., ICLR 2019; Sec. 3.3): at width α a layer uses the first α of its channels.

The input of a layer is slimmed already, so the width selects output channels alone. At width 1 these layers are
torch's own, with the same names in the state dict.
"""

import torch.nn.functional as F
from torch import Tensor, nn


def slim(channels: int, width: float) -> int:
    """Number of channels at a width, at least one."""
    return max(1, int(channels * width + 1e-9))


class SlimConv2d(nn.Conv2d):
    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        return F.conv2d(x, self.weight_at(width, x.shape[1]), None, self.stride, self.padding)

    def weight_at(self, width: float, inputs: int) -> Tensor:
        """The slice of the weight that a sub-network of this width uses on `inputs` channels."""
        return self.weight if width == 1 else self.weight[: slim(self.out_channels, width), :inputs]


class SlimLinear(nn.Linear):
    """`width` selects output units. The classifier keeps all of its outputs: it is called without a width."""

    def forward(self, x: Tensor, width: float = 1.0) -> Tensor:
        return F.linear(x, *self.weights_at(width, x.shape[1]))

    def weights_at(self, width: float, inputs: int) -> tuple[Tensor, Tensor]:
        """The slices of weight and bias that a sub-network of this width uses on `inputs` features."""
        if width == 1:
            return self.weight if inputs == self.in_features else self.weight[:, :inputs], self.bias
        outputs = slim(self.out_features, width)
        return self.weight[:outputs, :inputs], self.bias[:outputs]


class SwitchableBN(nn.ModuleList):
    """One BN per width, each with its own statistics and parameters: shared ones fail (Yu et al.)."""

    def __init__(self, channels: int, widths: tuple[float, ...]):
        super().__init__(nn.BatchNorm2d(slim(channels, width)) for width in widths)
        self.widths = widths


def batch_norm(channels: int, widths: tuple[float, ...]) -> nn.BatchNorm2d | SwitchableBN:
    return SwitchableBN(channels, widths) if widths else nn.BatchNorm2d(channels)


def at_width(bn: nn.Module | None, width: float) -> nn.BatchNorm2d | None:
    """Select the BN of a width; None where there is no BN. Raises ValueError for a width that the network lacks."""
    if not isinstance(bn, SwitchableBN):
        if width != 1 and bn is not None:
            raise ValueError(f"the network is not slimmable, so it has no width {width:g}")
        return bn
    if width not in bn.widths:
        raise ValueError(f"the network has the widths {', '.join(f'{w:g}' for w in bn.widths)}, not {width:g}")
    return bn[bn.widths.index(width)]
