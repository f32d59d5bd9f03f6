"""BN with shared statistics and affine parameters per branch, against torch's BatchNorm in fp64."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.authors_checkpoint import convert
from bench.engines.eager import EagerEngine
from bench.measures.bn_statistics import bn_statistics
from bench.measures.cost import cost
from bench.models import build
from bench.models.dual_affine_bn import Affine, DualAffineNorm
from bench.models.dual_bn import Condition
from bench.models.film import FiLM
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import Protocol
from tests.recipes import images, lively, oat

LAM = torch.tensor([0.0, 0.0, 0.1, 0.3, 1.0])


def norm(film: FiLM | None = None, widths: tuple[float, ...] = ()) -> DualAffineNorm:
    """A layer of 6 channels in fp64, no value neutral."""
    torch.manual_seed(0)
    layer = DualAffineNorm(6, film, widths).double()
    for module in (m for m in layer.modules() if isinstance(m, nn.BatchNorm2d | Affine)):
        for tensor in (t for t in module.state_dict().values() if t.is_floating_point()):
            tensor.uniform_(0.3, 2)
    return layer


@pytest.mark.parametrize("zeros", range(6))
def test_statistics_are_of_the_whole_batch_and_the_affine_is_of_the_branch(zeros):
    layer, x = norm(), torch.randn(5, 6, 4, 4).double() * 3 + 1
    plain = nn.BatchNorm2d(6, affine=False).double()
    plain.load_state_dict({name: layer.bn_a.state_dict()[name].clone() for name in plain.state_dict()})
    actual, expected = layer(x, Condition(True, zeros=zeros)), plain(x)
    for i in range(5):
        affine = layer.affine_c[0] if i < zeros else layer.bn_a
        exact = expected[i] * affine.weight[:, None, None] + affine.bias[:, None, None]
        torch.testing.assert_close(actual[i], exact, atol=1e-12, rtol=1e-12)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(layer.bn_a.state_dict()[name], value)

    actual.square().sum().backward()
    for affine, used in ((layer.affine_c[0], zeros > 0), (layer.bn_a, zeros < 5)):
        assert all((t.grad is not None and bool(t.grad.abs().min() > 0)) == used for t in affine.parameters())


@pytest.mark.parametrize("width", [1.0, 0.5])
@torch.no_grad()
def test_the_folded_affine_is_the_branch_s_batch_norm_then_film(width):
    layer, channels = norm(FiLM(7, 6).double(), (0.5, 1.0)).eval(), int(6 * width)
    layer.index = 0
    x, code = torch.randn(4, channels, 3, 3).double(), torch.randn(4, 7).double()
    zero = torch.tensor([True, False, False, True])
    gamma, beta = layer.film(code, width)
    actual = layer(x, Condition(False, width, affine=[layer.fold((gamma, beta), zero, width)]))
    bn, affine_c = layer.bn_a[layer.bn_a.widths.index(width)], layer.affine_c[layer.widths.index(width)]
    for i in range(4):
        affine = affine_c if zero[i] else bn
        h = F.batch_norm(x[i : i + 1], bn.running_mean, bn.running_var, affine.weight, affine.bias)
        expected = gamma[i].view(1, -1, 1, 1) * h + beta[i].view(1, -1, 1, 1)
        torch.testing.assert_close(actual[i : i + 1], expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("widths", [(), (0.5, 1.0)])
def test_every_parameter_of_a_network_learns_and_lambda_0_has_its_own_affine(widths):
    recipe = oat("dual-affine", widths=widths, dropout=0)
    net, (x, y) = lively(recipe), images(5)
    for width in widths or (1.0,):
        F.cross_entropy(net(x, net.condition(LAM, width=width)), y).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []

    net.eval()
    before, zero = net(x, LAM), LAM == 0
    for module in (m for m in net.modules() if isinstance(m, Affine)):
        nn.init.constant_(module.bias, 0.5)
    moved = (net(x, LAM) - before).abs().amax(1) > 1e-4
    assert torch.equal(moved, zero)


def test_with_equal_affine_parameters_it_is_one_bn():
    normal, dual_affine = lively(oat("normal", dropout=0)), build(oat("dual-affine", dropout=0), 1, 10)
    missing = dual_affine.load_state_dict(normal.state_dict(), strict=False)
    assert missing.unexpected_keys == [] and all("affine_c" in name for name in missing.missing_keys)
    for layer in dual_affine.norms:
        layer.affine_c[0].load_state_dict({name: getattr(layer.bn_a, name) for name in ("weight", "bias")})
    x, _ = images(5)
    for training in (True, False):
        torch.testing.assert_close(
            dual_affine.train(training)(x, LAM), normal.train(training)(x, LAM), atol=1e-4, rtol=1e-4
        )


def test_its_cost_is_that_of_dual_bn_and_its_statistics_are_one_cloud(tmp_path):
    shape = (1, 8, 8)
    assert cost(oat("dual-affine"), shape, 10) == cost(oat("dual"), shape, 10)
    rows = list(
        bn_statistics(EagerEngine(lively(oat("dual-affine"))), None, Measurement(probe="bn_statistics"), tmp_path)
    )
    assert [row["branch"] for row in rows] == ["a"]


def test_a_width_that_the_network_lacks_and_the_authors_checkpoints_are_refused():
    with pytest.raises(ValueError, match="is not slimmable, so it has no width 0.5"):
        norm()(torch.zeros(2, 3, 4, 4).double(), Condition(True, 0.5, zeros=1))
    with pytest.raises(ValueError, match="norm: dual-affine is not in the authors' code"):
        convert({}, oat("dual-affine", protocol=Protocol(film="authors")), 1, 10)
    for lambdas in ((0.0,), (0.1, 1.0)):
        with pytest.raises(ValueError, match="norm: dual-affine needs 0 and another λ"):
            oat("dual-affine", lambdas=lambdas)
