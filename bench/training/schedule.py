"""The learning rate as a pure function of the step, so that resuming needs no scheduler state."""

import math

WARM_UP = 0.3  # of a one-cycle schedule, and its start at a 25th of the peak: torch's OneCycleLR defaults
START = 1 / 25
END = START / 1e4


def learning_rate(schedule: str, peak: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """`cosine` falls from `peak` to 0 over the epochs, constant within each (App. A; torch's CosineAnnealingLR stepped
    once an epoch). `one-cycle` rises to `peak` over 30 % of the steps and falls to nearly 0 (torch's OneCycleLR)."""
    if schedule == "cosine":
        return peak * (1 + math.cos(math.pi * (step // steps_per_epoch) / epochs)) / 2
    last = steps_per_epoch * epochs - 1
    top = WARM_UP * (last + 1) - 1
    if step <= top:
        return peak * anneal(START, 1.0, step / top)
    return peak * anneal(1.0, END, (step - top) / (last - top))


def anneal(start: float, end: float, progress: float) -> float:
    """Half a cosine from start (progress 0) to end (progress 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
