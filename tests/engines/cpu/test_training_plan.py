"""TrainingPlan: loss, gradients and statistics of whole networks in training mode against the plain network in fp64."""

import gc
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from bench.engines.cpu.training_plan import TrainingPlan
from bench.models import resnet
from bench.models.network import ConditionalNetwork
from bench.spec.protocol_ledger import Protocol
from bench.training.optimiser import EagerSGD
from tests.copies import duplicate
from tests.engines.cpu.exact import call, engine_of, needs_kernels, off, plans_of
from tests.recipes import images, lively, oat, pgd_at

pytestmark = needs_kernels
EXACT = {"dropout": 0.0}
RECIPES = {
    "pgd-at": pgd_at(**EXACT),
    "dual": oat(**EXACT),
    "normal": oat("normal", **EXACT),
    "authors": oat(**EXACT, protocol=Protocol(film="authors")),
    "deep": oat(**EXACT, arch="wrn-16-2"),
    "resnet34": oat(**EXACT, arch="resnet34"),
    "resnet34-slim": oat(**EXACT, arch="resnet34", widths=(0.5, 1.0)),
    "dual-affine": oat("dual-affine", **EXACT),
    "narrow": oat(**EXACT, widths=(0.25, 0.4, 0.75, 1.0)),
    "narrow-authors": oat(**EXACT, widths=(0.25, 0.4, 0.75, 1.0), protocol=Protocol(film="authors")),
}
LAM = torch.tensor([0.0, 0.0, 0.1, 0.3, 0.3, 1.0])
LAMS = {"mixed": LAM, "zeros": torch.zeros(6), "one": torch.full((6,), 0.2), "no zeros": LAM.clamp(min=0.05)}


def network(kind: str) -> ConditionalNetwork:
    """ResNets have three blocks: the more activations, the more lie near a kink."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "STAGES", ((64, 2, 1), (128, 1, 2)))
        return lively(RECIPES[kind])


def batch(seed: int = 0, n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    return images(n, (1, 16, 16), seed)


def step(net, x, y, lam=LAM, width=1.0, forward=call) -> torch.Tensor:
    """The loss; gradients are added to the parameters'. A network in fp64 computes its passes itself."""
    loss = F.cross_entropy(forward(net, x, lam.to(x.dtype), width=width), y)
    loss.backward()
    return loss.detach()


def distance(net, reference) -> float:
    """The largest of any parameter's gradient. Which parameters have one, and all statistics, must be the same."""
    errors = [0.0]
    for (name, tensor), reference_tensor in zip(net.named_parameters(), reference.parameters(), strict=True):
        assert (tensor.grad is None) == (reference_tensor.grad is None), name
        if tensor.grad is not None:
            errors.append(off(tensor.grad, reference_tensor.grad))
    for (name, tensor), reference_tensor in zip(net.named_buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(tensor.double(), reference_tensor.double(), rtol=2e-5, atol=2e-5, msg=name)
    return max(errors)


def compare(kind: str, run: Callable, passes: int = 1) -> None:
    """`run(net, x, y)` does the same in fp32, by so many kept passes, and in fp64. An activation may lie on the other
    side of ReLU's kink in fp32, which moves gradients a little; of several batches one has none."""
    for seed in range(6):
        net, (x, y) = network(kind), batch(seed)
        reference = duplicate(net).double()
        loss, exact_loss = run(net, x, y), run(reference, x.double(), y)
        assert len(plans_of(net, TrainingPlan)) == passes and not plans_of(reference, TrainingPlan)
        torch.testing.assert_close(loss.double(), exact_loss, rtol=1e-4, atol=1e-6)
        error = distance(net, reference)
        assert error < 0.1
        if error < 2e-5:
            return
    pytest.fail(f"no batch's gradients are within roundings; the last one's are off by {error:.1e}")


# Every batch of λ for a dual BN; norms without branches and deeper networks take no part of their own in that choice.
GRADIENTS = [(kind, lam) for kind in ("dual", "authors") for lam in LAMS]
GRADIENTS += [("pgd-at", "mixed"), ("normal", "mixed"), ("normal", "one"), ("deep", "mixed"), ("deep", "one")]
GRADIENTS += [("resnet34", "mixed"), ("resnet34", "zeros")]


@pytest.mark.parametrize(("kind", "lam"), GRADIENTS)
def test_gradients_and_statistics_are_the_network_s(kind, lam):
    compare(kind, lambda net, x, y: step(net, x, y, LAMS[lam]))


def test_shared_statistics_are_torch_s():
    compare("dual-affine", step, passes=0)


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_a_width_uses_and_trains_the_first_of_its_channels(width):
    compare("resnet34-slim", lambda net, x, y: step(net, x, y, width=1.5 - width) + step(net, x, y, width=width), 2)


@pytest.mark.parametrize("width", [0.75, 0.4, 0.25])
@pytest.mark.parametrize("kind", ["narrow", "narrow-authors"])
def test_channels_need_not_be_whole_vectors(kind, width):
    """12, 6 and 4 channels in the first stage."""
    compare(kind, lambda net, x, y: step(net, x, y, width=width))


def test_beyond_odd_channels_no_parameter_is_read_and_no_statistic_written():
    net, (x, y) = network("narrow").train(), batch()
    guarded, memories = duplicate(net), []
    bns = [bn for norm in guarded.norms for bn in (norm.bn_a[2], norm.bn_c[2])]
    for table in (table for bn in bns for table in (bn._parameters, bn._buffers)):
        for name, vector in list(table.items()):
            if vector.dim() == 1:
                memories.append((torch.full((len(vector) + 16,), torch.nan), len(vector)))
                memories[-1][0][: len(vector)] = vector.detach()
                view = memories[-1][0][: len(vector)]
                table[name] = torch.nn.Parameter(view) if name in bns[0]._parameters else view
    guarded.head.weight.data[:, 48:] = torch.nan
    losses = [step(each_net, x, y, width=0.75) for each_net in (net, guarded)]
    assert len(plans_of(guarded, TrainingPlan)) == 1 and torch.equal(*losses)
    assert all(memory[n:].isnan().all() for memory, n in memories) and len(memories) == 4 * len(bns)
    for (name, parameter), guarded_parameter in zip(net.named_parameters(), guarded.parameters(), strict=True):
        assert parameter.grad is guarded_parameter.grad or torch.equal(parameter.grad, guarded_parameter.grad), name
    assert all(map(torch.equal, net.buffers(), guarded.buffers()))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_passes_may_be_open_at_once(order):
    """As in OAT with TRADES' loss."""

    def run(net, x, y):
        parts = [slice(0, 6), slice(2, 6)]
        losses = [F.cross_entropy(call(net, x[part], LAM[part].to(x.dtype)), y[part]) for part in parts]
        for i in order:
            losses[i].backward()
        return torch.stack(losses).detach()

    compare("dual", run, passes=2)


def test_what_is_frozen_has_no_gradient_and_the_rest_its_own():
    def run(net, x, y):
        frozen = [net.stem.weight, net.blocks[1].conv1.weight, net.norms[2].bn_a.bias]
        for parameter in frozen:
            parameter.requires_grad_(False)
        loss = step(net, x, y)
        assert all(parameter.grad is None for parameter in frozen)
        return loss

    compare("dual", run)


def test_an_image_that_asks_for_a_gradient_gets_it():
    """Layer by layer; ledger row 12 attacks in training mode."""

    def run(net, x, y):
        x = x.clone().requires_grad_()
        step(net, x, y)
        return x.grad.norm()

    compare("dual", run, passes=0)


def test_training_goes_on_for_steps_of_any_size_with_attacks_between_them():
    net, (x, y) = network("dual"), batch(3, 20)
    reference, lam = duplicate(net).double(), torch.linspace(0, 1, 20).mul(4).floor().div(4)
    for each_net, dtype in ((net, torch.float32), (reference, torch.float64)):
        optimiser = EagerSGD(each_net.parameters(), lr=0.02, momentum=0.9)
        for n in (6, 20, 10, 6, 17):
            optimiser.zero_grad()
            call(each_net, x[:7].to(dtype), lam[:7].to(dtype), training=False)
            step(each_net, x[:n].to(dtype), y[:n], lam[:n])
            optimiser.step()
    weights = [torch.cat([p.flatten().double() for p in each_net.parameters()]) for each_net in (net, reference)]
    assert off(*weights) < 1e-4  # roundings, and kinks, add up
    with torch.no_grad():
        assert off(call(net.eval(), x, lam), call(reference.eval(), x.double(), lam.double())) < 1e-3


def test_a_way_back_is_asked_for_once():
    net, (x, _) = network("dual"), batch()
    loss = call(net, x, LAM).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="asked for twice"):
        loss.backward()


def test_a_pass_that_is_forgotten_or_needs_no_way_back_is_free_again():
    net, (x, _) = network("dual"), batch()
    with torch.no_grad():
        call(net, x, LAM)
    for _ in range(3):
        call(net, x, LAM)
        gc.collect()
    assert len(plans_of(net, TrainingPlan)) == 1
    held = [call(net, x, LAM) for _ in range(2)]
    assert len(plans_of(net, TrainingPlan)) == len(held)


def test_dropout_draws_as_it_does_layer_by_layer():
    """And so do its gradients: a mask is drawn again on the way back."""
    net, (x, y) = lively(oat(dropout=0.3, arch="wrn-16-2")), batch()
    other, losses = duplicate(net), []
    for each_net, given in ((net, x), (other, x.clone().requires_grad_())):
        torch.manual_seed(8)
        losses.append([step(each_net, given, y).item() for _ in range(2)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0][0] != pytest.approx(losses[0][1], rel=1e-3)
    assert plans_of(net, TrainingPlan) and not plans_of(other, TrainingPlan)
    assert distance(net, other) < 2e-5  # both in fp32: a kink is one to both


def test_in_bf16_it_is_as_close_as_torch():
    net, (x, y) = network("deep"), batch()
    torchs, reference = duplicate(net), duplicate(net).double()
    with torch.autocast("cpu", torch.bfloat16):
        step(net, x, y)
        step(torchs, x, y, forward=lambda net, x, lam, **how: net(x, net.condition(lam, **how)))
    step(reference, x.double(), y)
    nets = (net, torchs, reference)
    grads = [torch.cat([p.grad.flatten().double() for p in each_net.parameters()]) for each_net in nets]
    assert all(p.grad.dtype == torch.float32 for p in net.parameters())
    assert off(grads[0], grads[2]) < 1.3 * off(grads[1], grads[2])


@pytest.mark.parametrize("kind", ["dual", "resnet34"])
def test_results_do_not_depend_on_the_number_of_threads(kind):
    before, gradients, (x, y) = torch.get_num_threads(), [], batch()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            net = network(kind)
            step(net, x, y)
            gradients.append([p.grad for p in net.blocks.parameters()])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


def test_it_follows_what_is_exchanged():
    """And a classifier or FiLM that takes another's place gets the gradient."""

    def run(net, x, y):
        step(net, x, y)
        net.zero_grad()
        other_net = duplicate(net)
        norms, others = net.norms, other_net.norms
        net.head, norms[1].film, norms[2].bn_a = other_net.head, others[1].film, others[2].bn_a
        for parameter in (*net.head.parameters(), *norms[1].film.parameters(), *norms[2].bn_a.parameters()):
            parameter.data.mul_(1.1)
        return step(net, x, y)

    compare("dual", run)


def test_a_parameter_must_not_change_before_the_way_back():
    net, (x, _) = network("dual"), batch()
    loss = call(net, x, LAM).sum()
    with torch.no_grad():
        net.norms[1].film.gamma[0].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_gradients_without_backward_are_the_same():
    """Asked for by torch.autograd.grad, of some parameters."""
    net, (x, y) = network("dual"), batch()
    step(net, x, y)
    wanted = [net.head.weight, net.stem.weight, net.norms[1].film.gamma[0].bias]
    gradients = torch.autograd.grad(F.cross_entropy(call(net, x, LAM), y), wanted)
    assert all(torch.equal(gradient, parameter.grad) for gradient, parameter in zip(gradients, wanted, strict=True))


def test_widths_in_turn_keep_their_lists():
    """OATS trains all widths in each step: none may make another's lists anew."""
    net, (x, y) = network("resnet34-slim").train(), batch()
    plans = []
    for _ in range(3):
        for width in (0.5, 1.0):
            step(net, x, y, width=width)
            net.zero_grad()
        plans.append(plans_of(net, TrainingPlan))
    assert len(plans[0]) == 2 and plans[0] == plans[1] == plans[2]


def test_what_the_kernels_lack_is_planned_once(monkeypatch):
    net, (x, y), planned = network("dual-affine").train(), batch(), []
    make = TrainingPlan.__init__
    monkeypatch.setattr(TrainingPlan, "__init__", lambda self, *rest: planned.append(1) or make(self, *rest))
    for _ in range(3):
        step(net, x, y)
    assert len(planned) == 1 and len(engine_of(net).unsupported) == 1
