"""What the networks are chains of: convolution → conditional norm → what is added → ReLU, any part absent."""

from torch import Tensor
from torch.nn import functional as F

from bench.engines.cpu.lowering import Value
from bench.models.dual_bn import Condition, ConditionalNorm
from bench.models.slimmable import SlimConv2d


def unit(
    x: Tensor | Value,
    cond: Condition,
    conv: SlimConv2d | None = None,
    norm: ConditionalNorm | None = None,
    plus: Tensor | Value | None = None,
    relu: bool = False,
) -> Tensor | Value:
    """ReLU(norm(conv(x)) + plus) of x (N, C, H, W). A Value stands for images while a network is recorded
    (bench/engines/cpu/lowering.py)."""
    if isinstance(x, Value):
        return x.recording.unit(x, cond.width, conv, norm, plus, relu)
    if conv is not None:
        x = conv(x, cond.width)
    if norm is not None:
        return norm(x, cond, plus, relu)
    x = x if plus is None else x + plus
    return F.relu(x) if relu else x
