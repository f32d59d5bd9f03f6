"""InferencePlan: logits and image gradients of whole networks in eval mode against the plain network in fp64."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F

from bench.engines.cpu.inference_plan import InferencePlan
from bench.engines.cpu.lowering import INPUT, Step, Unsupported
from bench.engines.cpu.step_buffers import shaped_steps
from bench.models.network import ConditionalNetwork
from bench.models.slimmable import SlimConv2d
from bench.training.optimiser import EagerSGD
from tests.copies import duplicate
from tests.engines.cpu.exact import call, engine_of, needs_kernels, off, plans_of
from tests.recipes import images, lively, oat, pgd_at

pytestmark = [needs_kernels, pytest.mark.usefixtures("short_resnet")]
SHAPES = {"wrn-10-1": (1, 8, 8), "wrn-16-2": (3, 9, 7), "resnet34": (3, 8, 8)}
RECIPES = {"pgd-at": pgd_at, "oat-dual": oat, "oat-normal": lambda **f: oat("normal", **f)}
RECIPES["oat-dual-affine"] = lambda **f: oat("dual-affine", **f)
LAM = torch.tensor([0.3, 0.0, 1.0, 0.0, 0.1])


def network(kind: str, arch: str, **fields) -> ConditionalNetwork:
    """In eval mode."""
    return lively(RECIPES[kind](arch=arch, **fields), SHAPES[arch][0]).eval()


def outputs(net, x, y, lam=LAM, forward=call, **how) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and the gradient of the cross-entropy to the images."""
    x = x.clone().requires_grad_()
    logits = forward(net, x, lam, **how)
    (grad,) = torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), x)
    return logits.detach(), grad


def plain(net, x, lam, **how) -> torch.Tensor:
    """Logits by the network itself."""
    return net(x, net.condition(lam, **how))


def exact(net, x, y, lam=LAM, **how) -> tuple[torch.Tensor, torch.Tensor]:
    return outputs(duplicate(net).double(), x.double(), y, lam.double(), plain, **how)


def assert_gradient(gradients, net, x, y, lam=LAM, exact_gradients=None, **how) -> None:
    """Image by image it is that of the network in fp64: where fp32 finds an activation beyond ReLU's kink,
    at an image as near as roundings are."""
    exact_gradients = exact(net, x, y, lam, **how)[1] if exact_gradients is None else exact_gradients
    rng = torch.Generator().manual_seed(0)
    wrong = [i for i in range(len(x)) if off(gradients[i], exact_gradients[i]) > 2e-5]
    for _ in range(16):
        if not wrong:
            return
        near = x.double() + 3e-6 * torch.randn(x.shape, generator=rng)
        exact_gradients = exact(net, near, y, lam, **how)[1]
        wrong = [i for i in wrong if off(gradients[i], exact_gradients[i]) > 1e-4]
    raise AssertionError(f"the gradients of images {wrong} are not the network's")


def assert_exact(net, x, y, lam=LAM, planned=True, **how):
    logits, grad = outputs(net, x, y, lam, **how)
    assert bool(plans_of(net, InferencePlan)) == planned
    right = exact(net, x, y, lam, **how)
    assert off(logits, right[0]) < 2e-5
    assert_gradient(grad, net, x, y, lam, right[1], **how)


NETWORKS = [(kind, arch) for kind in RECIPES for arch in SHAPES if arch != "resnet34" or kind in ("pgd-at", "oat-dual")]


@pytest.mark.parametrize(("kind", "arch"), NETWORKS)
def test_logits_and_gradients_are_the_network_s(kind, arch):
    net, (x, y) = network(kind, arch), images(5, SHAPES[arch])
    assert_exact(net, x, y)
    assert_exact(net, x, y, LAM[:1])  # one λ for all


@pytest.mark.parametrize("arch", ["wrn-10-1", "resnet34"])
@pytest.mark.parametrize("branch", ["a", "c"])
def test_a_branch_can_be_asked_for(arch, branch):
    net, (x, y) = network("oat-dual", arch), images(5, SHAPES[arch])
    assert_exact(net, x, y, branch=branch)
    other = {"a": "c", "c": "a"}[branch]
    assert off(outputs(net, x, y, branch=branch)[0], exact(net, x, y, branch=other)[0]) > 0.01


@pytest.mark.parametrize("kind", ["pgd-at", "oat-dual"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 5), (4, 4), (11, 6)])
def test_images_of_any_size(kind, size):
    net, (x, y) = network(kind, "wrn-10-1"), images(5, (1, *size))
    assert_exact(net, x, y)


@pytest.mark.parametrize("arch", SHAPES)
def test_without_it_torch_finds_the_same(arch):
    net, (x, y) = network("oat-dual", arch), images(5, SHAPES[arch])
    planned = outputs(net, x, y)
    usual = outputs(net, x, y, forward=plain)
    torch.testing.assert_close(planned[0], usual[0], atol=1e-5 * usual[0].abs().max(), rtol=1e-5)
    for gradient in (planned[1], usual[1]):  # at ReLU's kink the two may differ: each is the fp64 network's nearby
        assert_gradient(gradient, net, x, y)


def test_in_bf16_it_is_as_close_as_torch():
    net, (x, y) = network("oat-dual", "wrn-16-2"), images(5, SHAPES["wrn-16-2"])
    right = exact(net, x, y)
    with torch.autocast("cpu", torch.bfloat16):
        planned = outputs(net, x, y)
        usual = outputs(net, x, y, forward=plain)
    assert planned[0].dtype == planned[1].dtype == torch.float32
    for tensor, usual_tensor, exact_tensor in zip(planned, usual, right, strict=True):
        assert off(tensor, exact_tensor) < 1.5 * off(usual_tensor, exact_tensor)


# --- what changes between passes


def test_it_follows_weights_statistics_and_the_classifier():
    net, (x, y), rng = network("oat-dual", "wrn-10-1"), images(5), torch.Generator().manual_seed(3)
    cond = engine_of(net).condition(LAM)
    before = call(net, x, cond)
    changed = [
        net.blocks[1].conv2.weight,
        net.stem.weight,
        net.head.weight,
        net.head.bias,
        net.norms[3].bn_a.running_var,
    ]
    changed += [net.norms[2].bn_c.weight, net.norms[0].film.gamma[2].weight]
    for tensor in changed:
        with torch.no_grad():
            tensor.mul_(1 + 0.5 * torch.rand(tensor.shape, generator=rng))
        assert_exact(net, x, y)
    expected = net(x, cond)  # a Condition keeps BN and FiLM of its making; the convolutions are those of now
    torch.testing.assert_close(call(net, x, cond), expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(before, expected, atol=1e-2)


def test_it_follows_a_training_step():
    torch.manual_seed(0)  # what dropout draws decides which activations come near a kink
    net, (x, y) = network("oat-dual", "wrn-10-1"), images(5)
    optimiser = EagerSGD(net.parameters(), lr=0.1)
    for _ in range(2):
        assert_exact(net.eval(), x, y)
        F.cross_entropy(call(net.train(), x, LAM.sort().values), y).backward()
        optimiser.step()
    assert_exact(net.eval(), x, y)


def test_passes_may_be_interleaved():
    net, (x, y) = network("oat-dual", "wrn-16-2"), images(12, SHAPES["wrn-16-2"])
    parts = [(slice(0, 5), LAM), (slice(5, 8), LAM[:3].flip(0)), (slice(7, 12), LAM[:1])]
    given = [x[part].clone().requires_grad_() for part, _ in parts]
    conds = [engine_of(net).condition(lam) for _, lam in parts]
    losses = [
        F.cross_entropy(call(net, part_images, cond), y[part], reduction="sum")
        for part_images, cond, (part, _) in zip(given, conds, parts, strict=True)
    ]
    for i in (0, 2, 1, 0):
        (grad,) = torch.autograd.grad(losses[i], given[i], retain_graph=True)
        part, lam = parts[i]
        assert_gradient(grad, net, x[part], y[part], lam)


def test_batches_may_change_in_size():
    net, (x, y) = network("oat-dual", "wrn-10-1"), images(40)
    lam = torch.linspace(0, 1, 7)[torch.arange(40) % 7]
    whole = outputs(net, x, y, lam)
    for n in (3, 20, 5, 40, 1, 16, 17, 8):
        for part, all_ in zip(outputs(net, x[:n], y[:n], lam[:n]), whole, strict=True):
            torch.testing.assert_close(part, all_[:n], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 8, 16, 17, 33])
def test_equal_batches_share_one_plan(n):
    net, (x, _) = network("oat-dual", "wrn-10-1"), images(n)
    plans = []
    for _ in range(3):
        call(net, x, LAM[:1])
        plans += plans_of(net, InferencePlan)
    assert len(plans) == 3 and plans[0] is plans[1] is plans[2]


def test_one_plan_serves_any_lambda_and_the_parts_of_a_batch():
    net, (x, y) = network("oat-dual", "wrn-10-1"), images(16)
    call(net, x, LAM[:1])
    (plan,) = plans_of(net, InferencePlan)
    for n, lam in ((16, LAM[1:2]), (11, torch.linspace(0, 1, 11))):
        assert_exact(net, x[:n], y[:n], lam)
    assert plans_of(net, InferencePlan) == [plan]


def test_what_it_hands_out_is_not_overwritten():
    net, (x, y) = network("oat-dual", "wrn-10-1"), images(10)
    handed = outputs(net, x[:5], y[:5])
    kept = [tensor.clone() for tensor in handed]
    outputs(net, x[5:], y[5:])
    assert all(torch.equal(*pair) for pair in zip(handed, kept, strict=True))


def test_only_images_get_a_gradient():
    net, (x, y) = network("oat-dual", "wrn-10-1"), images(5)
    outputs(net, x, y)
    assert not call(net, x, LAM).requires_grad and all(p.grad is None for p in net.parameters())


def test_images_may_be_views_in_any_order_of_memory():
    net, (x, y) = network("oat-dual", "wrn-16-2"), images(10, SHAPES["wrn-16-2"])
    last, every_other = x.contiguous(memory_format=torch.channels_last), x[::2]
    assert_gradient(outputs(net, last[:5], y[:5])[1], net, x[:5], y[:5])
    assert_gradient(outputs(net, every_other, y[::2])[1], net, every_other, y[::2])


def test_what_is_not_a_number_stays_so():
    net, (x, _) = network("oat-dual", "wrn-10-1"), images(5)
    x[2, 0, 3, 3] = torch.nan
    logits = call(net, x, LAM)
    assert logits[2].isnan().all() and logits[[0, 1, 3, 4]].isfinite().all()


def test_no_images_no_logits():
    net, (x, y) = network("oat-dual", "wrn-10-1"), images(5)
    for lam in (LAM[:0], LAM[:1]):
        logits, grad = outputs(net, x[:0], y[:0], lam)
        assert (logits.shape, grad.shape) == ((0, 10), (0, 1, 8, 8))
    assert_exact(net, x, y)


# --- widths


@pytest.mark.parametrize("kind", ["oat-dual", "oat-dual-affine"])
@pytest.mark.parametrize("width", [0.75, 0.4, 0.25])
def test_channels_need_not_be_whole_vectors(kind, width):
    """12, 6 and 4 channels in the first stage. No weight of other channels is read."""
    net, (x, y) = network(kind, "wrn-10-1", widths=(0.25, 0.4, 0.75, 1.0)), images(5)
    assert_exact(net, x, y, width=width)
    before, used = outputs(net, x, y, width=width), int(64 * width)
    with torch.no_grad():
        net.head.weight[:, used:] = torch.nan
        net.blocks[2].conv2.weight[used:] = net.blocks[2].conv2.weight[:, used:] = torch.nan
    assert all(map(torch.equal, outputs(net, x, y, width=width), before))


def test_a_width_of_whole_vectors_has_a_plan_of_its_own():
    net, (x, y) = network("oat-dual", "resnet34", widths=(0.5, 1.0)), images(5, SHAPES["resnet34"])
    for width in (1.0, 0.5, 1.0):
        assert_exact(net, x, y, width=width)


# --- where it does not apply


def test_a_sum_of_values_of_different_shapes_is_refused():
    """Five channels and one, which torch broadcasts: both are padded to a vector."""
    convs = [SlimConv2d(1, channels, 3, 1, 1, bias=False) for channels in (1, 5)]
    steps = [Step(INPUT, convs[0]), Step(INPUT, convs[1], residual=0)]
    with pytest.raises(Unsupported):
        shaped_steps(steps, (1, 8, 8), 1.0)


def test_in_fp64_torch_does_the_work():
    net, (x, y) = network("oat-dual", "wrn-10-1").double(), images(5)
    outputs(net, x.double(), y, LAM.double())
    assert not plans_of(net, InferencePlan)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_a_copy_goes_its_own_way(how):
    net, (x, y) = network("oat-dual", "wrn-10-1"), images(5)
    call(net.train(), x, torch.tensor([0.0, 0.0, 0.1, 0.3, 1.0])).sum().backward()
    before = outputs(net.eval(), x, y)
    other = how(net)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    assert_exact(other, x, y)
    assert all(torch.equal(*pair) for pair in zip(outputs(net, x, y), before, strict=True))
    ids = [{id(plan) for plan in plans_of(each_net, InferencePlan)} for each_net in (net, other)]
    assert ids[0] and ids[1] and not ids[0] & ids[1]


@pytest.mark.parametrize("training", [False, True])
def test_a_condition_of_another_number_of_images_is_refused(training):
    """As torch would refuse it; of one λ it serves any number."""
    net, (x, _) = network("oat-dual", "wrn-10-1", dropout=0.0).train(training), images(8)
    with pytest.raises(ValueError, match="made for 5 images is asked to serve 8"):
        call(net, x, LAM.sort().values)
    equal_lam = torch.full((3,), 0.1)
    torch.testing.assert_close(call(net, x, equal_lam), call(net, x, equal_lam[:1]), rtol=1e-5, atol=1e-5)
