"""The average of weights against its recursion in fp64, through every engine, and after an interruption."""

import torch

from bench.training import loop
from bench.training.checkpoint import State, snapshot
from bench.training.weight_averaging import averaged
from tests.recipes import digits, images, lively, pgd_at

CPU = torch.device("cpu")
QUICK = {"epochs": 2, "attack_steps": 1}


def test_it_is_the_recursion_with_a_decay_that_grows(make_engine):
    """avg_t = d_t·avg_(t-1) + (1-d_t)·θ_t, d_t = min(0.4, (1+t)/(10+t)), from avg_0 = θ_0; engines see the update."""
    net = lively(pgd_at(0.0)).eval()
    average, rng = averaged(net, 0.4, State()), torch.Generator().manual_seed(0)
    engine, expected = make_engine(average.module.eval()), None
    x = images(8)[0].contiguous(memory_format=torch.channels_last)
    for step in range(6):
        average.update_parameters(net)
        engine.logits(x, engine.condition(torch.zeros(8), training=False))  # packs the weights as they are now
        values = {name: value.double() for name, value in snapshot(net).items()}
        decay = min(0.4, (1 + step) / (10 + step))
        expected = expected and {n: decay * e + (1 - decay) * values[n] for n, e in expected.items()} or values
        with torch.no_grad():
            for value in net.state_dict().values():
                if value.is_floating_point():
                    value += 0.1 * torch.rand(value.shape, generator=rng)
    got = average.module.state_dict()
    for name, value in expected.items():
        if got[name].is_floating_point():
            assert torch.allclose(got[name].double(), value, atol=1e-6), name
    average.update_parameters(net)
    cond = engine.condition(torch.zeros(8), training=False)
    with torch.no_grad():
        plain = average.module(x, average.module.condition(torch.zeros(8)))
    assert torch.allclose(engine.logits(x, cond), plain, atol=1e-4)


def test_an_interrupted_training_has_the_same_average(tmp_path):
    recipe = pgd_at(0.5, ema=0.9, **QUICK)
    data, folders = digits(recipe), [tmp_path / name for name in ("whole", "cut", "plain")]
    list(loop.train(recipe, data, folders[0], CPU))
    next(loop.train(recipe, data, folders[1], CPU))
    list(loop.train(recipe, data, folders[1], CPU))
    weights = [(folder / "weights.safetensors").read_bytes() for folder in folders[:2]]
    assert weights[0] == weights[1]
    list(loop.train(pgd_at(0.5, **QUICK), data, folders[2], CPU))
    assert (folders[2] / "weights.safetensors").read_bytes() != weights[0]
