"""Sides timed in turn, A B A B, so that what disturbs the machine disturbs them alike; and their ratios."""

import statistics
import time
from collections.abc import Callable

import torch

LEAST_SECONDS = 0.2  # of one timing: shorter steps are repeated within it


def interleave(steps: dict[str, Callable], rounds: int, warmup: int, clock: Callable[[], float] = time.perf_counter):
    """{side: seconds per step, one for each round}. Every side is run `warmup` times before; from the last of these it
    is settled how many steps make one timing, the same number for all sides."""
    for _ in range(warmup):
        longest = max(timed(step, 1, clock) for step in steps.values())
    repeats = max(1, round(LEAST_SECONDS / max(longest, 1e-6)))
    found = {side: [] for side in steps}
    for _ in range(rounds):
        for side, step in steps.items():
            found[side].append(timed(step, repeats, clock))
    return found


def timed(step: Callable, repeats: int, clock: Callable[[], float]) -> float:
    """Seconds per step."""
    synchronise()
    started = clock()
    for _ in range(repeats):
        step()
    synchronise()
    return (clock() - started) / repeats


def synchronise() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def ratio(base: list[float], ours: list[float]) -> dict[str, float]:
    """How many times faster `ours` is than `base`, from the ratio within each round: {"median", "low", "high"}, the
    latter two the smallest and largest of a round."""
    ratios = [b / o for b, o in zip(base, ours, strict=True)]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
