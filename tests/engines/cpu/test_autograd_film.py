"""The MLPs of all FiLM layers in one call, against fp64 by torch."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from bench.engines.cpu import layerwise
from bench.engines.cpu.autograd_film import film_outputs, mlp_weights, perceptrons
from bench.models.film import MLP, FiLM
from tests.engines.cpu.exact import needs_kernels, off

pytestmark = needs_kernels
SIZES = ((16, 16), (20, 37), (64, 64), (1, 3))  # hidden units and outputs
CODES = {
    "one-hot": lambda rows: F.one_hot(torch.arange(rows) % 6, 6).float(),
    "128": lambda rows: F.normalize(torch.randn(rows, 128)),
    "1": lambda rows: torch.rand(rows, 1),
}


def mlps(inputs: int) -> list[MLP]:
    return [MLP(inputs, hidden, outputs) for hidden, outputs in SIZES]


def torchs(code, weights, leaky):
    outputs = [F.linear(F.leaky_relu(F.linear(code, a, b)), c, d) for a, b, c, d in weights]
    return [F.leaky_relu(y) for y in outputs] if leaky else outputs


def run(how, networks, code, width, leaky, dtype=torch.float32):
    """Outputs, and the gradients to all parameters, whole."""
    for parameter in (p for mlp in networks for p in mlp.parameters()):
        parameter.data, parameter.grad = parameter.data.to(dtype), None
    outputs = how(code.to(dtype), [mlp_weights(mlp, width) for mlp in networks], leaky)
    rng = torch.Generator().manual_seed(4)
    torch.autograd.backward(outputs, [torch.randn(y.shape, generator=rng).to(dtype) for y in outputs])
    return [y.detach() for y in outputs], [p.grad for mlp in networks for p in mlp.parameters()]


@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("width", [1.0, 0.75, 0.5])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("rows", [1, 6, 40])
def test_outputs_and_gradients_are_torch_s(rows, code, width, leaky):
    """A narrower one's weights are slices, whose rows lie further apart than they are long."""
    torch.manual_seed(0)
    codes = CODES[code](rows)
    networks = mlps(codes.shape[1])
    computed = run(perceptrons, networks, codes, width, leaky)
    exact = run(torchs, networks, codes, width, leaky, torch.float64)
    for tensors, exact_tensors in zip(computed, exact, strict=True):
        assert len(tensors) == len(exact_tensors)
        for tensor, exact_tensor in zip(tensors, exact_tensors, strict=True):
            scale = exact_tensor.norm().clamp(min=rows**0.5)  # many rows may cancel out
            assert (tensor - exact_tensor).norm() < 2e-6 * scale


@pytest.mark.parametrize("rows", [1, 300])
def test_results_do_not_depend_on_the_number_of_threads(rows):
    """Of 300 rows there is work for two."""
    torch.manual_seed(0)
    networks, code, before, results = mlps(128), torch.randn(rows, 128), torch.get_num_threads(), []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            outputs, gradients = run(perceptrons, networks, code, 1.0, False)
            results.append(outputs + gradients)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_what_is_not_used_has_gradient_0():
    torch.manual_seed(0)
    networks = mlps(6)
    outputs = perceptrons(torch.eye(6), [mlp_weights(mlp, 1.0) for mlp in networks], False)
    outputs[1].sum().backward()
    for i, mlp in enumerate(networks):
        assert all(bool(p.grad.any()) == (i == 1) and p.grad.isfinite().all() for p in mlp.parameters())


def test_gradients_are_refused_once_a_weight_has_changed():
    networks = mlps(6)
    outputs = perceptrons(torch.eye(6), [mlp_weights(mlp, 1.0) for mlp in networks], False)
    with torch.no_grad():
        networks[2][0].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs[0].sum().backward()


def test_what_is_not_a_number_stays_so():
    (y,) = perceptrons(torch.full((2, 6), torch.nan), [mlp_weights(mlps(6)[0], 1.0)], True)
    assert y.isnan().all()


@pytest.mark.parametrize("kind", ["paper", "authors"])
@pytest.mark.parametrize("width", [1.0, 0.75, 0.35])
@torch.no_grad()
def test_each_layer_gets_its_own_gamma_and_beta(kind, width):
    torch.manual_seed(0)
    layers = [FiLM(7, 16, kind), FiLM(7, 20, kind), FiLM(7, 33, kind)]
    code = torch.randn(5, 7)
    computed = film_outputs(layers, code, width)
    exact = [film.double()(code.double(), width) for film in layers]
    for gamma_beta, exact_gamma_beta in zip(computed, exact, strict=True):
        for tensor, exact_tensor in zip(gamma_beta, exact_gamma_beta, strict=True):
            assert tensor.shape[1] in (int(16 * width), int(20 * width), int(33 * width))
            assert off(tensor, exact_tensor) < 1e-6


@torch.no_grad()
def test_a_norm_layer_without_film_has_neither_gamma_nor_beta():
    torch.manual_seed(0)
    layers = [FiLM(7, 16), None, FiLM(7, 20)]
    network, code = SimpleNamespace(norms=[SimpleNamespace(film=film) for film in layers]), torch.randn(5, 7)
    outputs = layerwise.films(network, code, 1.0)
    assert outputs[1] is None
    for film, pair in zip(layers[::2], outputs[::2], strict=True):
        for output, exact in zip(pair, film.double()(code.double()), strict=True):
            assert off(output, exact) < 1e-6
