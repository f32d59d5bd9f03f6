"""Lowering of plain forwards by torch.fx: the steps of the backbones, and what is refused."""

import pytest
import torch
import torch.nn.functional as F

from bench.engines.cpu.engine import CpuEngine
from bench.engines.cpu.lowering import INPUT, Unsupported, lower
from bench.models import build
from bench.models.dual_bn import ConditionalNorm
from bench.models.slimmable import SlimConv2d
from bench.models.wide_resnet import WideResNet
from tests.engines.cpu.exact import needs_kernels
from tests.recipes import images, lively, oat


def named(net) -> list[tuple]:
    """(x, convolution, norm, residual, ReLU, dropout) of each step, layers by name."""
    names = {module: name for name, module in net.named_modules()} | {None: None}
    return [(s.x, names[s.conv], names[s.norm], s.residual, s.relu, s.dropout) for s in lower(net)]


def test_a_wide_block_is_a_norm_and_two_convolutions_that_take_in_what_follows():
    steps = named(lively(oat(dropout=0.3)))
    assert steps[:4] == [
        (INPUT, "stem", None, None, False, 0.0),
        (0, None, "blocks.0.norm1", None, True, 0.0),
        (1, "blocks.0.conv1", "blocks.0.norm2", None, True, 0.3),
        (2, "blocks.0.conv2", None, 0, False, 0.0),
    ]
    assert steps[-1] == (11, None, "norm_last", None, True, 0.0) and len(steps) == 13


def test_a_basic_block_adds_its_residual_before_relu():
    steps = named(build(oat(arch="resnet34"), 3, 10))
    assert steps[:3] == [
        (INPUT, "stem", "norm_stem", None, True, 0.0),
        (0, "blocks.0.conv1", "blocks.0.norm1", None, True, 0.0),
        (1, "blocks.0.conv2", "blocks.0.norm2", 0, True, 0.0),
    ]
    assert (6, "blocks.3.shortcut", "blocks.3.norm_shortcut", None, False, 0.0) in steps and len(steps) == 36


class Scaled(WideResNet):
    def features(self, x, cond):
        return 0.5 * super().features(x, cond)


class Branching(WideResNet):
    def features(self, x, cond):
        return super().features(x if x.sum() > 0 else -x, cond)


class Shifted(WideResNet):
    def features(self, x, cond):
        return super().features(x, cond) + 1


class Doubled(WideResNet):
    def features(self, x, cond):
        h = super().features(x, cond)
        return h + h


class ReusedBeforeRelu(WideResNet):
    def features(self, x, cond):
        h = self.norm_last(super().features(x, cond), cond)
        return F.relu(h) + h


class OwnForward(WideResNet):
    def forward(self, x, lam):
        return 2 * super().forward(x, lam)


class ScaledNorm(ConditionalNorm):
    def forward(self, x, cond):
        return 2 * super().forward(x, cond)


class ScaledConv(SlimConv2d):
    def forward(self, x, width=1.0):
        return 2 * super().forward(x, width)


REFUSED = (Scaled, Branching, Shifted, Doubled, ReusedBeforeRelu, OwnForward)


@needs_kernels
@pytest.mark.parametrize("kind", REFUSED)
def test_another_backbone_is_computed_by_the_plain_network(kind):
    torch.manual_seed(0)
    net = kind(oat(dropout=0.0), 1, 10, depth=10, width=1).eval()
    with pytest.raises(Unsupported):
        lower(net)
    engine, (x, _), lam = CpuEngine(net), images(5), torch.full((5,), 0.3)
    assert torch.equal(engine.logits(x, engine.condition(lam)), net(x, lam))


@needs_kernels
def test_a_convolution_of_its_own_kind_is_computed_by_the_plain_network():
    net = lively(oat(dropout=0.0)).eval()
    engine, (x, _), lam = CpuEngine(net), images(5), torch.full((5,), 0.3)
    assert engine.steps is not None
    net.blocks[1].conv2 = ScaledConv(32, 32, 3, 1, 1, bias=False)
    assert torch.equal(engine.logits(x, engine.condition(lam)), net(x, lam)) and engine.steps is None


@needs_kernels
def test_a_norm_with_a_forward_of_its_own_is_computed_by_the_plain_network():
    net = lively(oat(dropout=0.0)).eval()
    engine, (x, _), lam = CpuEngine(net), images(5), torch.full((5,), 0.3)
    net.blocks[1].norm2.__class__ = ScaledNorm
    engine.drop_plans()
    assert engine.steps is None
    assert torch.equal(engine.logits(x, engine.condition(lam)), net(x, lam))
