"""Slimmable networks (Sec. 3.3): a width computes the stand-alone network of its slices of the weights, and changes no
other parameter or statistic. tests/network_of_width.py builds that network layer by layer."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.models import build
from bench.models.dual_bn import ConditionalNorm
from bench.models.film import FiLM
from bench.models.slimmable import SwitchableBN, slim
from bench.spec.protocol_ledger import Protocol
from tests.network_of_width import network_of_width
from tests.recipes import images, lively, oat, pgd_at

pytestmark = pytest.mark.usefixtures("short_resnet")
WIDTHS = (0.5, 0.75, 1.0)
SHAPES = {"wrn-10-2": (1, 8, 8), "resnet34": (3, 8, 8)}
SLIMMABLE = {"widths": WIDTHS, "dropout": 0.0}
RECIPES = {
    "pgd-at": pgd_at(**SLIMMABLE),
    "oat-dual": oat(**SLIMMABLE),
    "oat-dual-authors": oat(**SLIMMABLE, protocol=Protocol(film="authors")),
    "oat-normal": oat("normal", **SLIMMABLE),
}
MIXED = torch.tensor([0.0, 0.0, 0.0, 0.1, 0.3, 1.0])


def slimmable(kind: str, arch: str = "wrn-10-2"):
    """A network in fp64 without dropout, each BN of each width with different values."""
    return lively(RECIPES[kind].model_copy(update={"arch": arch}), SHAPES[arch][0]).double()


def batch(arch: str = "wrn-10-2"):
    x, y = images(6, SHAPES[arch])
    return x.double(), y


def forward(net, x, lam, width=1.0):
    return net(x, net.condition(lam, width=width))


STAND_ALONE = [(kind, arch) for kind in ("pgd-at", "oat-dual") for arch in SHAPES]
STAND_ALONE.append(("oat-dual-authors", "wrn-10-2"))  # FiLM is the same in each backbone


@pytest.mark.parametrize(("kind", "arch"), STAND_ALONE)
def test_a_width_is_the_stand_alone_network_of_its_slices(kind, arch):
    net, (x, y) = slimmable(kind, arch), batch(arch)
    lam = MIXED.double()
    for width in WIDTHS:
        small = network_of_width(net, width)
        for training in (False, True):
            net.train(training)
            logits, expected = forward(net, x, lam, width), small.train(training)(x, lam)
            torch.testing.assert_close(logits, expected, atol=1e-9, rtol=1e-9)
        net.zero_grad()
        F.cross_entropy(logits, y).backward()
        F.cross_entropy(expected, y).backward()
        assert_same_gradients(net, small, width)
        assert_same_statistics(net, small, width)


def assert_same_gradients(net, small, width: float) -> None:
    """Assert that gradients of the slices equal the stand-alone network's, and that all others are zero or None."""
    exact = {of_width(n, width, net): p.grad for n, p in small.named_parameters()}
    for name, parameter in net.named_parameters():
        if name not in exact:  # a BN of another width
            assert parameter.grad is None, name
            continue
        part = tuple(slice(0, n) for n in exact[name].shape)
        torch.testing.assert_close(parameter.grad[part], exact[name], atol=1e-9, rtol=1e-6, msg=name)
        outside = parameter.grad.clone()
        outside[part] = 0
        assert not outside.any(), name
        assert exact[name].any(), name


def of_width(name: str, width: float, net) -> str:
    """The slimmable network's name of a stand-alone one's tensor."""
    parent, _, leaf = name.rpartition(".")
    return f"{parent}.{WIDTHS.index(width)}.{leaf}" if isinstance(net.get_submodule(parent), SwitchableBN) else name


def assert_same_statistics(net, small, width: float) -> None:
    ours = dict(net.named_buffers())
    for name, buffer in small.named_buffers():
        torch.testing.assert_close(ours[of_width(name, width, net)], buffer, msg=name)


@pytest.mark.parametrize("kind", ["pgd-at", "oat-dual", "oat-normal"])
def test_training_a_width_moves_no_statistics_of_another(kind):
    net, (x, _) = slimmable(kind).train(), batch()
    for width in WIDTHS:
        before = {n: b.clone() for n, b in net.named_buffers()}
        forward(net, x, MIXED.double(), width)
        changed = {name for name, b in net.named_buffers() if not torch.equal(b, before[name])}
        index = str(WIDTHS.index(width))
        assert changed and all(name.split(".")[-2] == index for name in changed)
        branches = 1 + (net.norms[0].bn_c is not None)
        assert len(changed) == 3 * branches * len(net.norms)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("lam", "used"), [(0.0, "bn_c"), (0.1, "bn_a")])
def test_each_lambda_keeps_to_its_branch_at_every_width(width, lam, used):
    net, (x, y) = slimmable("oat-dual").train(), batch()
    before = {n: b.clone() for n, b in net.named_buffers()}
    F.cross_entropy(forward(net, x, torch.full((6,), lam).double(), width), y).backward()
    changed = {name for name, b in net.named_buffers() if not torch.equal(b, before[name])}
    assert changed and all(f".{used}.{WIDTHS.index(width)}." in name for name in changed)
    with_gradient = {n for n, p in net.named_parameters() if p.grad is not None and ".bn_" in n}
    assert with_gradient and all(f".{used}.{WIDTHS.index(width)}." in name for name in with_gradient)


@pytest.mark.parametrize("kind", ["pgd-at", "oat-dual", "oat-dual-authors"])
@torch.no_grad()
def test_at_width_1_it_is_the_unslimmed_network_of_the_same_weights(kind):
    net, (x, _) = slimmable(kind), batch()
    plain = build(net.recipe.model_copy(update={"widths": ()}), 1, 10).double()
    ours = net.state_dict()
    plain.load_state_dict({name: ours[of_width(name, 1.0, net)] for name in plain.state_dict()})
    for training in (False, True):
        logits = forward(net.train(training), x, MIXED.double())
        torch.testing.assert_close(logits, plain.train(training)(x, MIXED.double()), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_neutral_film_and_one_bn_is_the_plain_network_at_every_width(width, training):
    """OATS with γ = 1 and β = 0 is PGD-ATS."""
    plain, (x, _) = slimmable("pgd-at").train(training), batch()
    net = build(RECIPES["oat-normal"].model_copy(update={"arch": "wrn-10-2"}), 1, 10).double().train(training)
    net.load_state_dict(plain.state_dict(), strict=False)
    for film in (m for m in net.modules() if isinstance(m, FiLM)):
        for mlp, value in ((film.gamma, 1.0), (film.beta, 0.0)):
            nn.init.zeros_(mlp[2].weight)
            nn.init.constant_(mlp[2].bias, value)
    logits, expected = (forward(n, x, MIXED.double(), width) for n in (net, plain))
    torch.testing.assert_close(logits, expected, atol=1e-10, rtol=1e-10)


@torch.no_grad()
def test_the_widths_are_different_networks():
    net, (x, _) = slimmable("oat-dual").eval(), batch()
    outputs = [forward(net, x, MIXED.double(), width) for width in WIDTHS]
    assert all(not torch.allclose(a, b, atol=1e-2) for a, b in zip(outputs, outputs[1:], strict=False))


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(64, 0.75, 48), (10, 0.29, 2), (3, 0.1, 1), (100, 0.29, 29)]
)
def test_a_width_s_channels(channels, width, expected):
    """100·0.29 is 28.999… in floating point, and every layer has at least one channel."""
    assert slim(channels, width) == expected


@pytest.mark.parametrize("film", ["paper", "authors"])
@pytest.mark.parametrize("width", [0.3, 0.6])
def test_any_width_works_with_either_film(film, width):
    """At some widths 2C units become one more than twice as many as C units do: 9 of 32 at 0.3, but 4 of 16."""
    with torch.backends.mkldnn.flags(
        enabled=False
    ):  # oneDNN's 1×1 convolution from 4 to 9 channels writes out of bounds
        net, (x, y) = lively(oat(widths=(width, 1.0), protocol=Protocol(film=film))).train(), images(6)
        F.cross_entropy(forward(net, x, MIXED, width), y).backward()
    assert forward(net.eval(), x, MIXED, width).shape == (6, 10)


@pytest.mark.parametrize(
    ("widths", "width", "message"), [((), 0.5, "is not slimmable"), ((0.5, 1.0), 0.75, "0.5, 1, not 0.75")]
)
def test_a_width_that_the_network_lacks_is_refused(widths, width, message):
    net, (x, _) = build(oat(widths=widths), 1, 10), images(6)
    for training in (True, False):
        with pytest.raises(ValueError, match=message):
            forward(net.train(training), x, MIXED, width)


def test_without_widths_the_names_in_the_weights_file_are_the_old_ones():
    names = set(ConditionalNorm(4, dual=True).state_dict())
    assert names == {f"bn_{b}.{n}" for b in "ac" for n in nn.BatchNorm2d(4).state_dict()}
