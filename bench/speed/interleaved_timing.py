"""Time steps in turn, A B A B, so that disturbances of the machine affect all of them; ratios of the timings."""

import statistics
import time
from collections.abc import Callable

import torch

LEAST_SECONDS = 0.2  # of one timing: shorter steps are repeated within it


def interleave(steps: dict[str, Callable], rounds: int, warmup: int, clock: Callable[[], float] = time.perf_counter):
    """{name: seconds per step, one for each round}. Every step is run `warmup` times first; the slowest of the last of
    these runs determines how many runs make one timing, the same number for all steps."""
    for _ in range(warmup):
        longest = max(seconds_per_run(step, 1, clock) for step in steps.values())
    repeats = max(1, round(LEAST_SECONDS / max(longest, 1e-6)))
    seconds = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            seconds[name].append(seconds_per_run(step, repeats, clock))
    return seconds


def seconds_per_run(call: Callable, repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Mean time of `repeats` runs; on a GPU until it has nothing left to do."""
    synchronise()
    started = clock()
    for _ in range(repeats):
        call()
    synchronise()
    return (clock() - started) / repeats


def synchronise() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def ratio(numerator: list[float], denominator: list[float]) -> dict[str, float]:
    """{"median", "low", "high"} of the ratios within each round, `low` and `high` being the extreme rounds."""
    ratios = [above / below for above, below in zip(numerator, denominator, strict=True)]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
