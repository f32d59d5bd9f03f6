"""The slimmable loss of OATS, Sec. 3.3 and Algorithm 2: the sum of an objective over all widths."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import Tensor

from bench.engines import Engine
from bench.spec.recipe import Recipe
from bench.training.objectives import Batch

Objective = Callable[[Engine, Recipe, Batch], Iterator[Tensor]]


def over_widths(objective: Objective, engine: Engine, recipe: Recipe, batch: Batch) -> Iterator[Tensor]:
    """Yield the objective's terms at every width in turn. Each sub-network is trained and attacked by itself.

    Gradients add up as the training loop calls backward on each term. A network that is not slimmable has width 1.
    """
    for width in recipe.widths or (1.0,):
        yield from objective(engine, recipe, replace(batch, width=width))
