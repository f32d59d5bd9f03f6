"""Time a pass of one image through a network, forward or backward, on this machine.

On a GPU another process does so and ends (`python -m bench.run.image_pass_timing`, arguments as JSON on its standard
input): a suite's driver opens no GPU.
"""

import json
import sys
import time

import torch

from bench.attacks.pgd import cross_entropy, take_steps
from bench.data import DatasetInfo
from bench.engines import engine_for
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.precision import tf32_convolutions, use_ieee_fp32
from bench.engines.threads import one_thread
from bench.measures.cost import cost
from bench.models import build
from bench.run.child_python import last_line_of
from bench.spec import plugins
from bench.spec.recipe import Recipe

MIN_SECONDS = 0.25  # of a timing
ATTACK_STEPS = 7  # attack steps take most of the time of a training step and of an evaluation
MAX_CPU_BATCH_MACS = 6e9  # larger batches of a large network would take a CPU many seconds


def time_image_pass(recipe: Recipe, info: DatasetInfo, precision: str, width: float, device: str) -> float:
    """Seconds of one image's forward or input-backward pass in an attack, on one thread, in batches as in training.

    Of a network that would take a CPU minutes, one step on one image is timed, without a warm-up. Of a network whose
    warm-up takes longer than MIN_SECONDS, one step is timed in place of a whole attack. Raises BadInput where the
    process that uses the GPU fails.
    """
    if device == "cpu":
        return time_here(recipe, info.shape, info.classes, precision, width, device)
    arguments = {"recipe": recipe.model_dump(mode="json"), "shape": info.shape, "classes": info.classes}
    arguments |= {"precision": precision, "width": width, "device": device, "plugins": [str(p) for p in plugins.LOADED]}
    return float(last_line_of("bench.run.image_pass_timing", json.dumps(arguments)))


def time_here(
    recipe: Recipe, shape: tuple[int, int, int], classes: int, precision: str, width: float, device: str
) -> float:
    """`time_image_pass` in this process. shape: (C, H, W) of the images."""
    macs = cost(recipe, shape, classes).macs
    batch = recipe.batch if device == "cuda" else int(max(2, min(recipe.batch, MAX_CPU_BATCH_MACS / macs)))
    huge = device != "cuda" and macs > MAX_CPU_BATCH_MACS
    batch, steps = (1, 1) if huge else (batch, ATTACK_STEPS)
    with one_thread(), tf32_convolutions(precision == "tf32"):
        net = build(recipe, shape[0], classes).to(device).eval()
        x = torch.rand(batch, *shape, device=device).contiguous(memory_format=torch.channels_last)
        y = torch.zeros(batch, dtype=torch.int64, device=device)
        engine = engine_for(net, device)
        cond = engine.condition(torch.full((batch,), 0.5, device=device), width=width, training=False)
        model = ConditionedModel(engine, cond, precision)

        def attack(steps: int) -> None:
            take_steps(model, x, x, x, y, 0.0, steps, cross_entropy)
            if device == "cuda":
                torch.cuda.synchronize()

        started = time.perf_counter()
        if not huge:
            attack(1)  # warm-up: memory, plans of the engine
            if time.perf_counter() - started > MIN_SECONDS:
                steps = 1  # long enough to time
        attacks, started = 0, time.perf_counter()
        while not attacks or time.perf_counter() - started < MIN_SECONDS:
            attack(steps)
            attacks += 1
        return (time.perf_counter() - started) / (2 * steps * attacks * batch)


def main() -> None:
    """Print the seconds that standard input asks for."""
    arguments = json.load(sys.stdin)
    plugins.load_plugins(arguments.pop("plugins"))
    use_ieee_fp32()  # as trials do
    recipe, shape = Recipe.model_validate(arguments.pop("recipe")), tuple(arguments.pop("shape"))
    print(time_here(recipe, shape, **arguments))


if __name__ == "__main__":
    main()
