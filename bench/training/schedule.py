"""Learning-rate schedules as a pure function of the step, so that resuming needs no scheduler state."""

import math

WARM_UP, START = 0.3, 1 / 25  # one-cycle: share of the steps that rise, first rate over peak (OneCycleLR's defaults)
END = START / 1e4  # last rate over peak


def learning_rate(schedule: str, peak: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Compute the learning rate of a step, counted from 0 over all epochs.

    `cosine` falls from `peak` to 0 over the epochs and is constant within each (App. A; torch's CosineAnnealingLR
    stepped once an epoch). `one-cycle` rises to `peak` over 30 % of the steps and falls to nearly 0 (OneCycleLR).
    """
    if schedule == "cosine":
        return peak * (1 + math.cos(math.pi * (step // steps_per_epoch) / epochs)) / 2
    last = steps_per_epoch * epochs - 1
    top = WARM_UP * (last + 1) - 1
    if step <= top:
        return peak * anneal(START, 1.0, step / top)
    return peak * anneal(1.0, END, (step - top) / (last - top))


def anneal(start: float, end: float, progress: float) -> float:
    """Interpolate by half a cosine from start (progress 0) to end (progress 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
