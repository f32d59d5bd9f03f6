"""The attack as a CUDA graph, with pretend graphs on the CPU: the same adversarial images as without graphs."""

import contextlib
import itertools
import warnings

import pytest
import torch
import torch.nn.functional as F

from bench.attacks.pgd import pgd
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.eager import EagerEngine
from bench.engines.gpu import graphs
from bench.engines.gpu.engine import GpuEngine
from bench.engines.gpu.graphs import GraphedGpuEngine, NoGraph
from bench.engines.precision import autocast, weights_cast_once
from bench.training.optimiser import sgd
from tests.engines import conformance
from tests.engines.gpu import pretend_graph
from tests.engines.references import EVAL_LAM, Pass
from tests.recipes import images, lively, oat, pgd_at

CPU = torch.device("cpu")
LAM = torch.tensor([0.0, 0.3, 0.1, 1.0]).repeat(4)
RECIPES = {"oat": oat(batch=16), "slim": oat(batch=16, widths=(0.5, 1.0)), "pgd-at": pgd_at(batch=16)}


@pytest.fixture
def recordings(monkeypatch) -> list[tuple]:
    """The shapes of what was recorded, by pretend graphs."""
    shapes = []

    def record(compute, device, pool):
        replay, output, expected = pretend_graph.record(compute, device, pool)
        shapes.append(tuple(output.shape))
        return replay, output, expected

    monkeypatch.setattr(graphs, "can_record", lambda device: True)
    monkeypatch.setattr(graphs, "record", record)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    return shapes


def attacked(engine, n: int, seed: int = 0, width: float = 1.0, precision: str = "fp32") -> torch.Tensor:
    """PGD on n images of a training step, each at its own λ."""
    (x, y), dtype = images(n, seed=seed), engine.net.head.weight.dtype
    cond = engine.condition(LAM.roll(seed)[:n].to(dtype), width=width, training=False)
    model = ConditionedModel(engine, cond, precision)
    return pgd(model, x.to(dtype), y, 0.1, 0.03, 3, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_graph_serves_other_images_lambda_and_weights(recipe, recordings):
    """In fp64, where padding changes no sign of a gradient."""
    net = lively(recipe).double()
    engine, plain, optimiser = GraphedGpuEngine(net), EagerEngine(net), sgd(net, recipe)
    for seed, n in enumerate((16, 16, 5, 8, 9, 3)):
        width = recipe.widths[seed % 2] if recipe.widths else 1.0
        adversarial = attacked(engine, n, seed, width)
        assert torch.equal(adversarial, attacked(plain, n, seed, width))
        assert not torch.equal(adversarial, images(n, seed=seed)[0])
        x, y = images(16)
        F.cross_entropy(net(x.double(), net.condition(LAM.sort().values.double(), width=width)), y).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert len(recordings) == (4 if recipe.widths else 2) and {shape[0] for shape in recordings} == {8, 16}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_without_padding_every_bit_is_that_of_the_gpu_engine(precision, recordings):
    """In steps that share cast weights, as those of a training."""
    net = lively(oat(batch=16)).eval()
    engines = GraphedGpuEngine(net), GpuEngine(net)
    for seed in (0, 1):
        results = []
        for engine in engines:
            with weights_cast_once(CPU):
                with autocast(precision, CPU):
                    net(images(8)[0], LAM[:8])
                results.append(attacked(engine, 8, seed, precision=precision))
        assert torch.equal(*results)
        with torch.no_grad():
            net.stem.weight.mul_(-1)
    assert len(recordings) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_steps_go_along_the_sign_of_the_fp64_gradient(precision, recordings):
    conformance.check_pgd(GraphedGpuEngine, oat(dropout=0.0), Pass(EVAL_LAM, precision=precision))
    assert len(recordings) == 2  # of one step and of three


def test_evaluations_and_training_mode_are_not_recorded(recordings):
    engine = GraphedGpuEngine(lively(oat(batch=8)))
    attacked(engine, 9)
    cond = engine.condition(LAM[:8].sort().values, training=True)
    pgd(ConditionedModel(engine, cond), *images(8), 0.1, 0.03, 1, torch.Generator())
    assert not recordings
    attacked(engine, 8)
    assert recordings == [(8, 1, 8, 8)]


def test_a_cpu_has_no_graphs():
    engine = GraphedGpuEngine(lively(oat(batch=16)))
    assert torch.equal(attacked(engine, 8), attacked(GpuEngine(engine.net), 8)) and not engine.graphs


def out_of_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("a value is read", "not permitted when stream is capturing"),
        ("a number of the host changes", r"\d+.\d% of an attack's pixels differ"),
        ("no memory", "out of memory"),
    ],
)
def test_where_a_graph_fails_the_engine_warns_once_and_goes_on(fault, reason, recordings, monkeypatch):
    net, signs = lively(oat(batch=16)), itertools.cycle([1, 1, 1, -1, -1, -1])
    if fault == "no memory":
        monkeypatch.setattr(graphs, "record", out_of_memory)
    elif fault == "a value is read":
        net.head.register_forward_hook(lambda module, inputs, output: output if output.sum().item() else None)
    else:
        net.head.register_forward_hook(lambda module, inputs, output: output * next(signs))
    engine = GraphedGpuEngine(net)
    with pytest.warns(NoGraph, match=f"^no CUDA graphs: .*{reason}"):
        first = attacked(engine, 8)
    assert torch.equal(first, attacked(GpuEngine(net), 8)) or fault == "a number of the host changes"
    assert not engine.graphs
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoGraph)
        attacked(engine, 16)


def test_a_recording_on_a_gpu(monkeypatch):
    """By mock: a run on a stream of its own, and then the recording, in the memory of the pool."""
    events = []

    def context(name):
        @contextlib.contextmanager
        def enter(*arguments, **options):
            events.append((name, *arguments, *options.values()))
            yield
            events.append(f"end of {name}")

        return enter

    class Stream:
        def __init__(self, name="side"):
            self.name = name

        def wait_stream(self, other):
            events.append(f"{self.name} waits for {other.name}")

    class Graph:
        def replay(self):
            events.append("replay")

    for name, value in {
        **{name: context(name) for name in ("device", "stream", "graph")},
        **{"Stream": Stream, "current_stream": lambda: Stream("main"), "CUDAGraph": Graph},
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    results = iter(("of the run", "of the recording"))
    replay, output, expected = graphs.record(lambda: events.append("compute") or next(results), "cuda:0", (1, 2))
    assert (output, expected) == ("of the recording", "of the run")
    assert events[:2] == [("device", "cuda:0"), "side waits for main"] and events[2][0] == "stream"
    assert events[3:6] == ["compute", "end of stream", "main waits for side"]
    assert (events[6][0], events[6][2]) == ("graph", (1, 2)) and events[7:] == [
        "compute",
        "end of graph",
        "end of device",
    ]
    replay()
    assert events[-1] == "replay"
