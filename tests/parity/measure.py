"""How far the two networks are apart, in numbers."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from tests.parity.networks import ZEROS, Batch, Case, batch, forward, pair
from tests.parity.steps import STEPS, Step, of_ours, of_the_authors

DTYPES = {"fp32": torch.float32, "fp64": torch.float64}


@dataclass(frozen=True)
class Difference:
    """Largest absolute differences of `logits` (eval mode), `training_logits`, and `statistics` after the step; how
    many values of PGD's iterates 1 to 7 are unequal (`pixels`), of so many; and of the update ‖ours - theirs‖ /
    ‖theirs‖, of all parameters as one vector and of the worst tensor."""

    logits: float
    training_logits: float
    statistics: float
    pixels: int
    pixels_of: int
    update: float
    worst_update: float


@cache
def compare(case: Case, precision: str) -> Difference:
    """In fp32 with calm weights (see `enliven`), in fp64 with any."""
    data = batch(case).to(DTYPES[precision])
    theirs, ours = pair(case, DTYPES[precision], calm=precision == "fp32")
    logits = max(evaluation(theirs.eval(), ours.eval(), case, data, width) for width in case.widths)
    theirs = of_the_authors(theirs, case, data)
    return difference(logits, theirs, of_ours(ours, case, data, theirs.images))


@torch.no_grad()
def evaluation(theirs, ours, case: Case, data: Batch, width: float) -> float:
    found = ours(data.x, ours.condition(data.lam, width=width))
    return largest([found], [forward(theirs, case, data.x, data.code, ZEROS, width)])


def difference(logits: float, theirs: Step, ours: Step) -> Difference:
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
        relative(ours.updates, theirs.updates),
        max(relative({name: ours.updates[name]}, {name: theirs.updates[name]}) for name in theirs.updates),
    )


def iterates(step: Step) -> list[Tensor]:
    """1 to 7 of each width's attack: without the start, which was given."""
    return [images for index, images in enumerate(step.images) if index % (STEPS + 1)]


def largest(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """The largest absolute difference; shapes must agree, and a value that is not a number makes it infinite."""
    assert all(a.shape == b.shape for a, b in zip(ours, theirs, strict=True))
    return max((a - b).abs().nan_to_num(torch.inf).max().item() for a, b in zip(ours, theirs, strict=True))


def relative(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """‖ours - theirs‖/‖theirs‖ over all tensors as one vector, in fp64 so that summing adds no error."""
    square = sum((ours[name].double() - theirs[name].double()).square().sum() for name in theirs)
    return (square / sum(tensor.double().square().sum() for tensor in theirs.values())).sqrt().item()


def assert_equal(found: Difference, precision: str) -> None:
    bound = 1e-5 if precision == "fp32" else 1e-10
    assert found.logits <= bound and found.training_logits <= bound and found.statistics <= bound
    assert found.update <= bound
    # Looser for a single tensor: where the next BN takes its effect away again, little but rounding is left of it.
    assert found.worst_update <= 100 * bound
    # A pixel steps the other way where its gradient is 0 but for rounding: in fp32, on another machine, it may.
    assert found.pixels <= (found.pixels_of * 1e-4 if precision == "fp32" else 0)
