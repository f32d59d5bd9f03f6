"""No parameter, buffer or module that was replaced, moved or resized is read through an old pointer."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.engines.cpu.engine import CpuEngine
from bench.engines.cpu.parameter_pointers import ParameterPointers
from bench.training.optimiser import sgd
from tests.engines.cpu.exact import needs_kernels, off
from tests.recipes import images, lively, oat

pytestmark = needs_kernels
LAM = torch.tensor([0.0, 0.0, 0.1, 0.3, 1.0])
RECIPE = oat(dropout=0.0)


def other():
    return lively(oat(dropout=0.0, seed=1))


def replace_every_parameter(net):
    for module in net.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.detach() * 1.1))


def replace_every_buffer(net):
    for module in net.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, buffer * 2 if buffer.is_floating_point() else buffer.clone())


def move_all_data(net):
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data = tensor.data.clone() * (1.1 if tensor.is_floating_point() else 1)


def transpose_square_matrices(net):
    for parameter in net.parameters():
        if parameter.dim() == 2 and parameter.shape[0] == parameter.shape[1]:
            parameter.data = parameter.data.t()


def expand_one_value(net):
    bias = net.norms[1].bn_a.bias
    bias.data = bias.data[:1].expand(len(bias))


def grow_and_return(net):
    """resize_ moves the data, then copies of other values fill it."""
    weight = net.norms[2].film.beta[2].weight
    with torch.no_grad():
        values = weight.detach().clone() * 1.5
        weight.data.resize_(4096)
        weight.data = weight.data.resize_(values.shape).copy_(values)


def to_fp64_and_back(net):
    net.double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.1)
    net.float()


def fused_step(net):
    optimiser = sgd(net, oat(lr=0.5))
    CpuEngine(net).watch(optimiser)
    F.cross_entropy(net.train()(images(5)[0], LAM), images(5)[1]).backward()
    optimiser.step()
    net.zero_grad()


CHANGES = {
    "parameters replaced": replace_every_parameter,
    "buffers replaced": replace_every_buffer,
    "data moved": move_all_data,
    "square matrices transposed": transpose_square_matrices,
    "one value expanded": expand_one_value,
    "storage resized": grow_and_return,
    "to fp64 and back": to_fp64_and_back,
    "copied in place": lambda net: net.load_state_dict(other().state_dict()),
    "state assigned": lambda net: net.load_state_dict(other().state_dict(), assign=True),
    "fused optimiser": fused_step,
    "norm swapped": lambda net: setattr(net.norms[2], "bn_a", copy.deepcopy(other().norms[2].bn_a)),
    "block swapped": lambda net: net.blocks.__setitem__(1, other().blocks[1]) or net.number_norms(),
    "classifier swapped": lambda net: setattr(net, "head", other().head),
    "FiLM swapped": lambda net: setattr(net.norms[0], "film", other().norms[0].film),
    "bias added": lambda net: setattr(net.stem, "bias", nn.Parameter(torch.ones(16))),
}


def passes(net, condition, logits) -> tuple[torch.Tensor, list[torch.Tensor | None], list[torch.Tensor]]:
    """Logits in eval mode; gradients and buffers after a pass in training mode."""
    x, y = images(5)
    x = x.to(net.head.weight.dtype)
    lam = LAM.to(x.dtype)
    net.eval()
    outputs = logits(x, condition(lam, training=False)).detach()
    net.train().zero_grad()
    F.cross_entropy(logits(x, condition(lam, training=True)), y).backward()
    return outputs, [p.grad for p in net.parameters()], list(net.buffers())


@pytest.mark.parametrize("change", CHANGES)
def test_the_engine_computes_with_the_network_as_it_is_now(change):
    net = lively(RECIPE)
    engine = CpuEngine(net)
    before, _, _ = passes(net, engine.condition, engine.logits)
    assert engine.plans and engine.folding
    CHANGES[change](net)
    exact = copy.deepcopy(net).double()
    outputs, gradients, buffers = passes(net, engine.condition, engine.logits)
    right, right_gradients, right_buffers = passes(exact, exact.condition, exact)
    assert off(outputs, right) < 2e-5 and off(before, right) > 1e-4
    for gradient, right_gradient in zip(gradients, right_gradients, strict=True):
        assert (gradient is None) == (right_gradient is None)
        if gradient is not None:
            assert (gradient - right_gradient).norm() < 1e-2 * right_gradient.norm() + 1e-6  # a kink of ReLU
    for buffer, right_buffer in zip(buffers, right_buffers, strict=True):
        torch.testing.assert_close(buffer.double(), right_buffer.double(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("change", ["parameters replaced", "data moved", "copied in place", "norm swapped"])
def test_a_change_between_forward_and_backward_is_refused(change):
    net = lively(RECIPE).train()
    engine, (x, y) = CpuEngine(net), images(5)
    loss = F.cross_entropy(engine.logits(x, engine.condition(LAM)), y)
    CHANGES[change](net)
    with pytest.raises(RuntimeError, match="modified by an inplace operation, or replaced"):
        loss.backward()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_pointers_of_its_own(duplicate):
    net = lively(RECIPE)
    engine = CpuEngine(net)
    before, _, _ = passes(net, engine.condition, engine.logits)
    twin = duplicate(net)
    replace_every_parameter(twin)
    assert ParameterPointers(net).current() and engine.pointers.current()
    twin_engine = CpuEngine(twin)
    outputs, _, _ = passes(twin, twin_engine.condition, twin_engine.logits)
    assert off(outputs, before) > 1e-3


def test_updates_in_place_keep_the_plans():
    """Training replaces no plan: only packed weights and conditions follow the values."""
    net = lively(RECIPE)
    engine = CpuEngine(net)
    passes(net, engine.condition, engine.logits)
    plans = list(engine.plans)
    fused_step(net)
    passes(net, engine.condition, engine.logits)
    assert all(plan is earlier for plan, earlier in zip(engine.plans, plans, strict=True))
