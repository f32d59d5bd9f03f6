"""cuDNN's benchmark mode: on in epochs whose batches have constant shapes, and nowhere else."""

import pytest
import torch

from bench.engines.gpu.autotune import AutotunedGpuEngine, constant_shapes
from bench.engines.gpu.engine import GpuEngine
from bench.spec.protocol_ledger import PROTOCOLS, Protocol
from bench.training import lambda_sampling
from tests.recipes import lively, oat, pgd_at

RECIPES = {
    "pgd-at": (pgd_at(), True),
    "λ=0 is drawn": (oat(), False),
    "λ=0 is drawn, λ continuous": (oat(lam_density="continuous"), False),
    "no λ=0": (oat("normal", lambdas=(0.1, 1.0)), True),
    "as many λ=0 in each batch": (oat(protocol=Protocol(lam_sampling="fixed-zeros")), True),
    "λ=0 is attacked too": (oat(protocol=Protocol(attack_lam0="make")), True),
    "the authors' code": (oat(protocol=PROTOCOLS["authors-code"]), True),
}


def attacked_images(recipe) -> set[int]:
    """Images that batches attack, as bench/training/objectives.py chooses them."""
    rng = torch.Generator().manual_seed(0)
    zeros = [lambda_sampling.sample(recipe, recipe.batch, rng)[1] for _ in range(5)]
    skipped = recipe.method != "pgd_at" and recipe.protocol.attack_lam0 == "skip"
    return {recipe.batch - number * skipped for number in zeros}


@pytest.mark.parametrize(("recipe", "constant"), RECIPES.values(), ids=RECIPES)
def test_shapes_are_constant_where_every_batch_attacks_as_many_images(recipe, constant):
    assert constant_shapes(recipe) is constant is (len(attacked_images(recipe)) == 1)


@pytest.mark.parametrize(
    ("engine", "recipe", "mode"),
    [(AutotunedGpuEngine, pgd_at(), True), (AutotunedGpuEngine, oat(), False), (GpuEngine, pgd_at(), False)],
)
def test_benchmark_mode_is_on_within_an_epoch(engine, recipe, mode, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    with engine(lively(recipe)).training_memory():
        assert torch.backends.cudnn.benchmark is mode
    assert not torch.backends.cudnn.benchmark
