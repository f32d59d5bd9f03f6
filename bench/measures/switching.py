"""Cost of setting another λ at test time: nothing is trained, but γ and β are computed anew ("for free", Sec. 1)."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bench.data import Images
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel, model_at
from bench.measures.cost import TIMED_BATCH, TIMINGS
from bench.spec.measurement import Measurement

WARM_UP = 2  # timings that do not count


def switching(engine: Engine, images: Images, measurement: Measurement, directory: Path) -> Iterator[dict]:
    """Yield one row: {"width", "milliseconds", "switched_milliseconds", "batch", "threads", "device"}.

    Both are median times to classify a batch of random images: at the λ of the previous batch, and with another λ set
    before it. The difference is the cost of a switch. A network of one λ has None in place of the second. The two are
    timed in turns, so that a change of the machine's load meets both.
    """
    device, shape, width = images.images.device, tuple(images.images.shape[1:]), measurement.width
    x = torch.rand(TIMED_BATCH, *shape, device=device).contiguous(memory_format=torch.channels_last)
    conditional = engine.net.conditional
    same, switched = [], []
    for lam in torch.linspace(0.01, 1, WARM_UP + TIMINGS).tolist():
        started = time.perf_counter()
        model = model_at(engine, lam, device, width)
        classify(model, x)
        middle = time.perf_counter()
        classify(model, x)
        switched.append(middle - started)
        same.append(time.perf_counter() - middle)
    row = {"width": width, "milliseconds": median_milliseconds(same)}
    row |= {"switched_milliseconds": median_milliseconds(switched) if conditional else None}
    yield row | {"batch": TIMED_BATCH, "threads": torch.get_num_threads(), "device": device.type}


@torch.no_grad()
def classify(model: ConditionedModel, x: Tensor) -> None:
    """Compute the logits of a batch, and wait for them."""
    model(x)
    if x.device.type == "cuda":
        torch.cuda.synchronize()


def median_milliseconds(seconds: list[float]) -> float:
    """The median without the first timings, which warm up."""
    return round(1000 * statistics.median(seconds[WARM_UP:]), 4)
