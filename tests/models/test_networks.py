"""Networks f(x, λ): BN and FiLM against torch's own layers, the branches of dual BN, and the paper's counts."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from bench.measures.cost import cost
from bench.models import build, parse_arch
from bench.models.dual_bn import Condition, ConditionalNorm
from bench.models.film import FiLM
from bench.spec.lambda_sets import S1
from bench.spec.protocol_ledger import Protocol
from tests.recipes import images, lively, oat, pgd_at

SMALL = {"wrn-10-1": (1, 8, 8), "resnet34": (3, 16, 16)}
MIXED = torch.tensor([0.0, 0.0, 0.0, 0.1, 0.3, 1.0])


def neutral(net) -> None:
    """FiLM as the identity: γ = 1, β = 0 whatever the code."""
    for film in (m for m in net.modules() if isinstance(m, FiLM)):
        for mlp, value in ((film.gamma, 1.0), (film.beta, 0.0)):
            nn.init.zeros_(mlp[2].weight)
            nn.init.constant_(mlp[2].bias, value)


@pytest.mark.usefixtures("short_resnet")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("arch", SMALL)
def test_neutral_film_and_one_bn_is_the_plain_network(arch, training):
    plain = lively(pgd_at(arch=arch, dropout=0), SMALL[arch][0]).train(training)
    net = build(oat("normal", arch=arch, dropout=0), SMALL[arch][0], 10).train(training)
    net.load_state_dict(plain.state_dict(), strict=False)
    neutral(net)
    x, _ = images(6, SMALL[arch])
    torch.testing.assert_close(net(x, MIXED), plain(x, MIXED), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["paper", "authors"])
@pytest.mark.parametrize("dual", [True, False])
@torch.no_grad()
def test_the_folded_affine_is_batch_norm_then_film(kind, dual):
    torch.manual_seed(0)
    norm = ConditionalNorm(5, dual, FiLM(7, 5, kind, "zero")).double().eval()
    for bn in (m for m in norm.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in (bn.weight, bn.bias, bn.running_mean, bn.running_var):
            tensor.uniform_(0.2, 2)
    x, code, zero = torch.randn(4, 5, 3, 3).double(), torch.randn(4, 7).double(), torch.tensor([0, 1, 0, 1]).bool()
    norm.index = 0
    folded = norm(x, Condition(False, affine=[norm.fold(norm.film(code), zero)]))

    for i in range(4):
        bn = norm.bn_c if dual and zero[i] else norm.bn_a
        h = F.batch_norm(x[i : i + 1], bn.running_mean, bn.running_var, bn.weight, bn.bias)
        if kind == "paper":  # Sec. 3.1: two MLPs, a Leaky ReLU between their two layers
            gamma, beta = norm.film.gamma, norm.film.beta
            gamma, beta = (m[2](F.leaky_relu(m[0](code[i : i + 1])))[0] for m in (gamma, beta))
        else:  # ledger row 3: one MLP, a Leaky ReLU on its output too; γ is the first half
            both = norm.film.both
            out = F.leaky_relu(both[2](F.leaky_relu(both[0](code[i : i + 1]))))[0]
            gamma, beta = out[:5], out[5:]
        expected = gamma.view(1, 5, 1, 1) * h + beta.view(1, 5, 1, 1)
        torch.testing.assert_close(folded[i : i + 1], expected, atol=1e-10, rtol=1e-10)


def test_hidden_widths_are_c_of_two_mlps_or_2c_of_one():
    assert [m.out_features for m in FiLM(16, 8).modules() if isinstance(m, nn.Linear)] == [8] * 4
    assert [m.out_features for m in FiLM(16, 8, "authors").modules() if isinstance(m, nn.Linear)] == [16] * 2
    assert isinstance(FiLM(16, 8).gamma[1], nn.LeakyReLU)


@pytest.mark.parametrize("kind", ["paper", "authors"])
def test_film_starts_around_one_or_around_zero(kind):
    torch.manual_seed(0)
    code = F.normalize(torch.randn(50, 128))
    for init, centre in (("one", 1.0), ("zero", 0.0)):
        gamma, beta = FiLM(128, 256, kind, init)(code)
        assert abs(gamma.mean() - centre) < 0.05 and abs(beta.mean()) < 0.05


@pytest.mark.parametrize(("film", "expected"), [("paper", 7), ("authors", 6)])
def test_the_authors_put_no_film_after_the_last_bn_of_a_wrn(film, expected):
    net = build(oat(protocol=Protocol(film=film)), 1, 10)
    assert sum(isinstance(m, FiLM) for m in net.modules()) == expected  # wrn-10: 3 blocks of 2, and the last


def branch(net, name: str) -> list[nn.BatchNorm2d]:
    return [getattr(norm, name) for norm in net.norms]


@pytest.mark.parametrize(("lam", "used", "idle"), [(0.0, "bn_c", "bn_a"), (0.1, "bn_a", "bn_c")])
def test_the_other_branch_is_never_touched_in_training(lam, used, idle):
    net = lively(oat()).train()
    before = {n: b.clone() for n, b in net.named_buffers()}
    x, y = images(6)
    F.cross_entropy(net(x, torch.full((6,), lam)), y).backward()
    changed = {n for n, b in net.named_buffers() if not torch.equal(b, before[n])}
    assert all(used in name for name in changed) and len(changed) == 3 * len(net.norms)
    assert all(bn.weight.grad is None and bn.bias.grad is None for bn in branch(net, idle))
    assert all(bn.weight.grad.abs().sum() > 0 for bn in branch(net, used))


def test_a_mixed_batch_splits_the_first_statistics_by_lambda():
    net = lively(oat()).train()
    first = net.norms[0]
    before = {name: getattr(first, name).running_mean.clone() for name in ("bn_c", "bn_a")}
    x, _ = images(6)
    h = net.stem(x)
    net(x, MIXED)
    for name, part in (("bn_c", h[:3]), ("bn_a", h[3:])):
        expected = 0.9 * before[name] + 0.1 * part.mean(dim=(0, 2, 3))
        torch.testing.assert_close(getattr(first, name).running_mean, expected)


@pytest.mark.parametrize("norm", ["dual", "normal"])
@torch.no_grad()
def test_in_eval_mode_any_order_of_lambda_equals_one_by_one(norm):
    net = lively(oat(norm)).eval()
    x, _ = images(8)
    lam = torch.tensor([0.3, 0.0, 1.0, 0.05, 0.0, 0.1, 0.7, 0.4])
    alone = torch.cat([net(x[i : i + 1], lam[i : i + 1]) for i in range(8)])
    torch.testing.assert_close(net(x, lam), alone, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(alone, net(x, lam.flip(0)), atol=1e-2)  # λ matters


@torch.no_grad()
def test_a_condition_of_one_row_stands_for_the_whole_batch():
    net, (x, _) = lively(oat()).eval(), images(5)
    for lam in (0.0, 0.2):
        logits = net(x, net.condition(torch.tensor([lam])))
        torch.testing.assert_close(logits, net(x, torch.full((5,), lam)), atol=1e-6, rtol=1e-6)


def test_in_eval_mode_nothing_is_learnt_from_the_batch():
    net, (x, _) = lively(oat()).eval(), images(4)
    before = {n: b.clone() for n, b in net.named_buffers()}
    net(x, torch.tensor([0.0, 0.1, 0.2, 1.0]))
    assert all(torch.equal(b, before[n]) for n, b in net.named_buffers())


def test_a_wrong_order_is_refused_in_training():
    net, (x, _) = build(oat(), 1, 10).train(), images(3)
    with pytest.raises(ValueError, match="must come first"):
        net(x, torch.tensor([0.1, 0.0, 0.2]))


COUNTS = [  # facts.md, claim 6: GMAC and million parameters without and with the authors' FiLM
    ("resnet34", (3, 32, 32), (1.159, 21.3), (1.171, 33.4)),
    ("wrn-16-8", (3, 32, 32), (1.548, 10.96), (1.553, 16.2)),
    ("wrn-40-2", (3, 96, 96), (2.948, 2.24), (2.950, 3.89)),
]


@pytest.mark.parametrize(("arch", "shape", "plain", "film"), COUNTS, ids=[c[0] for c in COUNTS])
def test_the_paper_s_cost(arch, shape, plain, film):
    authors = Protocol(film="authors")
    counted = cost(pgd_at(arch=arch), shape, 10)
    assert (counted.macs / 1e9, counted.parameters / 1e6) == pytest.approx(plain, rel=0.005) and counted.film_macs == 0
    counted = cost(oat(arch=arch, encoding="ro-128", protocol=authors), shape, 10)
    assert (counted.macs / 1e9, counted.parameters / 1e6) == pytest.approx(film, rel=0.005)


def test_film_macs_by_hand():
    counted = cost(oat(encoding="ro-16"), (1, 8, 8), 10)
    channels = [16, 16, 16, 32, 32, 64, 64]  # of the seven norm layers of wrn-10-1
    assert counted.film_macs == sum(2 * (16 * c + c * c) for c in channels)


def transplant(source: nn.Module, target: nn.Module) -> None:
    """Parameters and running statistics, which come in the same order."""
    for kind in ("named_parameters", "named_buffers"):
        pairs = zip(getattr(source, kind)(), getattr(target, kind)(), strict=True)
        for (_, ours), (_, theirs) in pairs:
            assert ours.shape == theirs.shape
            theirs.data.copy_(ours)


@pytest.mark.parametrize("training", [True, False])
def test_resnet34_is_torchvision_s_with_a_stem_for_small_images(training):
    torchvision = pytest.importorskip("torchvision")
    ours, theirs = lively(pgd_at(arch="resnet34"), 3), torchvision.models.resnet34(num_classes=10)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    transplant(ours, theirs)
    x, _ = images(4, (3, 16, 16))
    logits, expected = ours.train(training)(x, torch.ones(4)), theirs.train(training)(x)
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-4)


def plain_wrn(net, x: torch.Tensor, widths: list[int]) -> torch.Tensor:
    """Zagoruyko and Komodakis, Sec. 2 and 3, in eval mode: pre-activation blocks, the shortcut of a block that changes
    the number of channels is a 1×1 convolution of the activated input; average pooling, one linear layer."""
    parameters = iter([p for _, p in net.named_parameters()])
    statistics = iter([b for n, b in net.named_buffers() if "running" in n])

    def bn(h):
        weight, bias, mean, var = next(parameters), next(parameters), next(statistics), next(statistics)
        return F.relu(F.batch_norm(h, mean, var, weight, bias))

    h, inputs = F.conv2d(x, next(parameters), padding=1), 16
    for stage, width in enumerate(widths):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            activated = bn(h)
            out = F.conv2d(activated, next(parameters), stride=stride, padding=1)
            out = F.conv2d(bn(out), next(parameters), padding=1)
            h = out + (h if width == inputs else F.conv2d(activated, next(parameters), stride=stride))
            inputs = width
    return F.linear(bn(h).mean(dim=(2, 3)), next(parameters), next(parameters))


def test_a_wrn_is_the_paper_s():
    net, (x, _) = lively(pgd_at(arch="wrn-16-2"), 3).eval(), images(4, (3, 16, 16))
    torch.testing.assert_close(net(x, torch.ones(4)), plain_wrn(net, x, [32, 64, 128]), atol=1e-4, rtol=1e-4)


def test_dropout_belongs_to_training_alone():
    net, (x, _) = lively(pgd_at(dropout=0.3)), images(4)
    lam = torch.ones(4)
    assert not torch.equal(net(x, lam), net(x, lam))
    assert torch.equal(net.eval()(x, lam), net(x, lam))


@pytest.mark.parametrize("arch", ["wrn-11-1", "wrn-4-2", "wrn-16", "resnet18", "wrn-10-0", "WRN-10-1", ""])
def test_an_unknown_architecture_is_refused(arch):
    with pytest.raises(ValueError, match="unknown architecture"):
        parse_arch(arch)


def test_the_seed_alone_decides_the_first_weights():
    torch.manual_seed(1)
    first = build(oat(seed=3), 1, 10).state_dict()
    torch.manual_seed(2)
    again, other = build(oat(seed=3), 1, 10).state_dict(), build(oat(seed=4), 1, 10).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.weight"], other["stem.weight"])


def test_building_touches_no_gpu(monkeypatch):
    """Parameters are drawn on the CPU; saving or seeding the generators of GPUs would open each of these."""

    def touched(*_):
        raise AssertionError("a GPU's generator was touched")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("get_rng_state", "set_rng_state", "manual_seed_all", "device_count"):
        monkeypatch.setattr(torch.cuda, name, touched)
    build(oat(), 1, 10)


def test_building_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    build(oat(), 1, 10)
    assert torch.equal(torch.get_rng_state(), before)


@torch.no_grad()
def test_a_weights_file_carries_the_codebook(tmp_path):
    net = lively(oat(protocol=Protocol(encoding_seed=5))).eval()
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, tmp_path / "w.safetensors")
    other = build(oat(seed=9), 1, 10).eval()
    assert not torch.equal(other.codebook, net.codebook)
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    assert torch.equal(other.codebook, net.codebook) and torch.equal(other.lambdas, torch.tensor(S1))
    x, _ = images(6)
    assert torch.equal(other(x, MIXED), net(x, MIXED))
