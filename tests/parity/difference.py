"""Differences between the authors' network and ours: logits, statistics, PGD iterates, one-step updates."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from bench.engines import engine_for
from tests.parity.iterates import unexplained_moves
from tests.parity.networks import ZEROS, Batch, Case, batch, forward, pair
from tests.parity.steps import STEPS, Step, of_ours, of_the_authors

DTYPES = {"fp32": torch.float32, "fp64": torch.float64}


@dataclass(frozen=True)
class Difference:
    """Largest absolute differences of `logits` (eval mode), `training_logits`, and `statistics` after the step.

    pixels: how many of the `pixels_of` values of PGD's iterates 1 to 7 are unequal. unexplained: how many of them
    rounding does not explain (iterates.py). update: ‖ours - theirs‖ / ‖theirs‖ of all parameters as one vector;
    worst_update: of the worst tensor.
    """

    logits: float
    training_logits: float
    statistics: float
    pixels: int
    pixels_of: int
    unexplained: int
    update: float
    worst_update: float


@cache
def compare(case: Case, precision: str) -> Difference:
    """Compare the two networks: in fp32 with calm weights (see `enliven`), in fp64 with any weights."""
    data, calm = batch(case).to(DTYPES[precision]), precision == "fp32"
    their_net, net = pair(case, DTYPES[precision], calm)
    logits = max(evaluation(their_net.eval(), net.eval(), case, data, width) for width in case.widths)
    theirs = of_the_authors(their_net, case, data)
    ours, unexplained = of_ours(net, case, data, theirs.images), 0
    if precision == "fp32":
        unexplained = unexplained_moves(case, data, pair(case, torch.float64, calm)[0], net, ours, theirs)
    return difference(logits, theirs, ours, unexplained)


@torch.no_grad()
def evaluation(theirs, ours, case: Case, data: Batch, width: float) -> float:
    """The largest absolute difference of the eval-mode logits."""
    engine = engine_for(ours, "cpu")
    logits = engine.logits(data.x, engine.condition(data.lam, width=width))
    return largest([logits], [forward(theirs, case, data.x, data.code, ZEROS, width)])


def difference(logits: float, theirs: Step, ours: Step, unexplained: int = 0) -> Difference:
    assert len(ours.images) == len(theirs.images) and len(ours.logits) == len(theirs.logits)
    assert ours.state.keys() == theirs.state.keys() and ours.updates.keys() == theirs.updates.keys()
    running = [name for name in theirs.state if "running" in name]
    counts = [name for name in theirs.state if "num_batches_tracked" in name]
    assert all(torch.equal(ours.state[name], theirs.state[name]) for name in counts)
    starts = zip(ours.images[:: STEPS + 1], theirs.images[:: STEPS + 1], strict=True)
    assert all(torch.equal(a, b) for a, b in starts)
    return Difference(
        logits,
        largest(ours.logits, theirs.logits),
        largest([ours.state[name] for name in running], [theirs.state[name] for name in running]),
        sum(int((a != b).sum()) for a, b in zip(iterates(ours), iterates(theirs), strict=True)),
        sum(images.numel() for images in iterates(theirs)),
        unexplained,
        relative(ours.updates, theirs.updates),
        max(relative({name: ours.updates[name]}, {name: theirs.updates[name]}) for name in theirs.updates),
    )


def iterates(step: Step) -> list[Tensor]:
    """Iterates 1 to 7 of each width's attack, without the start, which is the same for both."""
    return [images for index, images in enumerate(step.images) if index % (STEPS + 1)]


def largest(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The largest absolute difference; infinite where a value is NaN. Asserts equal shapes."""
    assert all(a.shape == b.shape for a, b in zip(ours, theirs, strict=True))
    return max((a - b).abs().nan_to_num(torch.inf).max().item() for a, b in zip(ours, theirs, strict=True))


def relative(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """‖ours - theirs‖/‖theirs‖ over all tensors as one vector, in fp64 so that summing adds no error."""
    square = sum((ours[name].double() - theirs[name].double()).square().sum() for name in theirs)
    return (square / sum(tensor.double().square().sum() for tensor in theirs.values())).sqrt().item()


def assert_equal(measured: Difference, precision: str) -> None:
    """Assert that rounding explains all differences."""
    bound = 1e-5 if precision == "fp32" else 1e-10
    assert measured.logits <= bound and measured.training_logits <= bound and measured.statistics <= bound
    assert measured.update <= bound
    # Looser for a single tensor: where the next BN cancels its effect, its gradient is little but rounding.
    assert measured.worst_update <= 100 * bound
    assert measured.unexplained == 0
    if precision == "fp64":  # where rounding decides a sign with a probability of about 1e-12
        assert measured.pixels == 0
