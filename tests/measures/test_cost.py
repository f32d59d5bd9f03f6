"""Cost of a forward pass: by hand, and by PyTorch's own FLOP counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.data import Images
from bench.engines import engine_for
from bench.engines.eager import EagerEngine
from bench.measures.cost import TIMED_BATCH, cost, forward_cost
from bench.models import build
from bench.spec.architectures import layers_only
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import Protocol
from tests.network_of_width import network_of_width
from tests.recipes import images, lively, oat, pgd_at
from tests.recording_engine import RecordingEngine

WIDTHS = (0.5, 0.75, 1.0)
SLIMMABLE = {
    "pgd-ats": pgd_at(widths=WIDTHS),
    "oats": oat(widths=WIDTHS),
    "oats-authors": oat(widths=WIDTHS, protocol=Protocol(film="authors")),
    "oats-normal": oat("normal", widths=WIDTHS),
}


def by_hand(channels: list[int], branches: int, film: int = 0) -> tuple[int, int, int]:
    """(macs, film_macs, parameters) of a WRN-10-1 with stages of these channels on an 8×8 image of one channel, after a
    stem of c[0]. `film`: the length of a code, of two MLPs with c hidden units at each norm layer; 0 without FiLM."""
    stem, first, second, third = channels
    macs, parameters = 64 * 9 * stem, 9 * stem
    for inputs, outputs, pixels in ((stem, first, 64), (first, second, 16), (second, third, 4)):
        weights = 9 * inputs * outputs + 9 * outputs * outputs + (inputs * outputs if inputs != outputs else 0)
        macs, parameters = macs + pixels * weights, parameters + weights
    norms = [
        stem,
        first,
        first,
        second,
        second,
        third,
        third,
    ]  # before each convolution of the three blocks, and the last
    macs, parameters = macs + 10 * third, parameters + 10 * third + 10
    parameters += sum(2 * branches * n for n in norms)
    film_macs = sum(2 * (film * n + n * n) for n in norms) if film else 0
    film_parameters = sum(2 * ((film + 1) * n + (n + 1) * n) for n in norms) if film else 0
    return macs + film_macs, film_macs, parameters + film_parameters


CHANNELS = {0.5: [8, 8, 16, 32], 0.75: [12, 12, 24, 48], 1.0: [16, 16, 32, 64]}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_width_by_hand(width):
    counted = cost(SLIMMABLE["pgd-ats"], (1, 8, 8), 10, width)
    assert (counted.macs, counted.film_macs, counted.parameters) == by_hand(CHANNELS[width], 1)
    counted = cost(SLIMMABLE["oats"], (1, 8, 8), 10, width)
    assert (counted.macs, counted.film_macs, counted.parameters) == by_hand(CHANNELS[width], 2, 16)


@pytest.mark.parametrize("kind", SLIMMABLE)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_width_costs_what_its_stand_alone_network_costs(kind, width):
    net = lively(SLIMMABLE[kind]).double().eval()
    small, expected = network_of_width(net, width).eval(), cost(SLIMMABLE[kind], (1, 8, 8), 10, width)
    assert expected.parameters == sum(p.numel() for p in small.parameters())
    x, lam = images(1)[0].double(), torch.tensor([0.3]).double()
    flops = []
    for run in (lambda: small(x, lam), lambda: net(x, net.condition(lam, width=width))):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        flops.append(counter.get_total_flops())
    assert flops == [2 * expected.macs] * 2  # PyTorch counts a multiplication and an addition


LAYERS = ({"arch": "wrn-10-2"}, {"norm": "normal"}, {"encoding": "ro-8"}, {"widths": WIDTHS}, {"lambdas": (0.0, 1.0)})


@pytest.mark.parametrize("fields", [*LAYERS, {"protocol": Protocol(film="authors")}])
def test_networks_of_other_layers_are_not_taken_for_one(fields):
    assert layers_only(oat(**fields)) != layers_only(oat())


def test_networks_that_are_trained_otherwise_have_the_same_layers():
    recipe = oat()
    shapes = {name: value.shape for name, value in build(recipe, 1, 10).state_dict().items()}
    assert shapes == {name: value.shape for name, value in build(layers_only(recipe), 1, 10).state_dict().items()}
    other = oat(dataset="dots", seed=1, lr=0.3, epochs=9, batch=7, precision="bf16", attack_steps=3, epsilon=0.2)
    assert layers_only(other) == layers_only(recipe)
    assert layers_only(pgd_at(0.1, weight_decay=0.1)) == layers_only(pgd_at(0.9, dropout=0.2))


def test_an_unslimmed_network_costs_what_the_full_width_does():
    plain, slim = (cost(oat(widths=widths), (1, 8, 8), 10) for widths in ((), WIDTHS))
    assert plain == slim
    assert plain.parameters == sum(p.numel() for p in build(oat(), 1, 10).parameters())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_row_of_the_probe(width):
    net, (x, y) = lively(SLIMMABLE["oats"]).eval(), images(4)
    measurement = Measurement(probe="cost", width=width)
    (row,) = forward_cost(engine_for(net, "cpu"), Images((x * 255).to(torch.uint8), y), measurement, None)
    counted = cost(net.recipe, (1, 8, 8), 10, width)
    assert 0 < row.pop("milliseconds") < 60_000
    assert row == {
        "width": width,
        "macs": counted.macs,
        "film_macs": counted.film_macs,
        "parameters": counted.parameters,
        "batch": TIMED_BATCH,
        "threads": torch.get_num_threads(),
        "device": "cpu",
    }


def test_what_is_timed_is_the_sub_network(make_engine):
    net, channels = lively(SLIMMABLE["oats"]).eval(), []
    net.stem.register_forward_hook(lambda layer, inputs, output: channels.append(tuple(output.shape[:2])))
    engine, (x, y) = RecordingEngine(make_engine(net)), images(2)
    list(forward_cost(engine, Images((x * 255).to(torch.uint8), y), Measurement(probe="cost", width=0.5), None))
    assert {(len(forward.images), forward.cond.width) for forward in engine.passes} == {(TIMED_BATCH, 0.5)}
    if make_engine is EagerEngine:
        assert set(channels) == {(TIMED_BATCH, 8)}
