"""Checks of whole attacks and training steps with an engine (see conformance.py and replay_against_fp64.py)."""

from collections.abc import Callable

import torch

from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel
from bench.spec.recipe import Recipe
from bench.spec.registry import METHODS, resolve
from bench.training import lambda_sampling
from bench.training.objectives import Batch
from tests.engines.conformance import Make, compare_networks
from tests.engines.references import BATCHES, EVAL_LAM, exact_engine
from tests.engines.replay_against_fp64 import replay
from tests.engines.rounding import assert_close, tolerance
from tests.recipes import images, lively


def check_attack(make: Make, recipe: Recipe, attack: Callable) -> None:
    """Every query of an attack, `attack(model, x, y, rng)`: logits, the gradient to x, each pixel of a step of PGD."""
    net, (x, y) = lively(recipe).eval(), images(5)

    def run(engine: Engine):
        model = ConditionedModel(engine, engine.condition(EVAL_LAM, training=False))
        return attack(model, x, y, torch.Generator().manual_seed(0))

    adversarial, replayed, _ = replay(make(net), exact_engine(recipe), run)
    assert torch.equal(adversarial, replayed) and not torch.equal(adversarial, x)


def check_training_step(make: Make, recipe: Recipe, n: int = 6) -> None:
    """One step of the training loop by the recipe's objective, at every width: the attack, losses, training accuracy,
    the gradients that add up, and statistics."""
    for seed in range(BATCHES):
        net = lively(recipe).train()
        lam, zeros = lambda_sampling.sample(recipe, n, torch.Generator().manual_seed(seed))
        x, y = images(n, seed=seed)
        if recipe.norm != "normal" and 1 in (zeros, n - zeros):
            continue  # a BN of one image of 2×2 pixels has a variance near 0

        def run(engine: Engine, x=x, y=y, lam=lam, zeros=zeros, seed=seed):
            rng, terms, correct = torch.Generator().manual_seed(seed), [], []
            for width in recipe.widths or (1.0,):
                batch = Batch(x, y, lam, zeros, rng, width)
                for term in resolve(METHODS[recipe.method])(engine, recipe, batch):
                    term.backward()
                    terms.append(term.detach().double())
                correct.append({kind: [(int(hits), of) for hits, of in pairs] for kind, pairs in batch.correct.items()})
            return torch.stack(terms), correct

        exact = exact_engine(recipe, training=True)
        (terms, correct), (exact_terms, exact_correct), at_kink = replay(make(net), exact, run)
        if at_kink:
            continue
        assert_close("loss", terms, exact_terms, tolerance(net, x))
        assert correct == exact_correct
        return compare_networks(net, exact.net, tolerance(net, x))
    raise AssertionError("no batch is clear of ReLU's kink")
