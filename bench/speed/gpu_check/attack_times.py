"""PGD-7 alone: most of a training step and of an evaluation."""

from collections.abc import Iterator

import torch

from bench.attacks.pgd import pgd
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.precision import tf32_convolutions
from bench.measures.accuracy import to_input
from bench.models import build
from bench.speed.gpu_check.parts import Request, precisions, workloads
from bench.speed.gpu_check.step_times import ENGINES, PLAIN, ROUNDS, WARM_UP
from bench.speed.implementations import Step, in_benchmark_mode
from bench.speed.interleaved_timing import interleave
from bench.speed.workloads import CLASSES, Workload, random_images

EVALUATED = {"cpu": (4, 8), "cuda": (256, 1024)}  # images attacked at a time: 256 is that of bench/measures/accuracy.py


def time_attacks(request: Request) -> Iterator[dict]:
    """{"network", "images", "of": training or evaluation, "seconds": {"eager engine, fp32": [of each round], …}}.

    Of each network first the images that a training step attacks, by both engines, then larger batches as of an
    evaluation, in fp32 by the engine for GPUs."""
    device = torch.device(request.device)
    for workload in workloads(request):
        pairs = [(engine, precision) for precision in precisions(request.device) for engine in PLAIN]
        yield attack_row(workload, device, attacked_images(workload), "training", pairs)
        for images in EVALUATED[request.device]:
            try:
                yield attack_row(workload, device, images, "evaluation", [("gpu", "fp32")])
            except torch.OutOfMemoryError:
                break
        if device.type == "cuda":
            torch.cuda.empty_cache()


def attack_row(workload: Workload, device: torch.device, images: int, of: str, pairs: list[tuple[str, str]]) -> dict:
    """`pairs`: (engine, precision) of the sides."""
    steps = {f"{engine} engine, {p}": build_attack(workload, device, images, engine, p) for engine, p in pairs}
    row = {"network": workload.name, "images": images, "of": of}
    return row | {"seconds": interleave(steps, ROUNDS, WARM_UP)}


def attacked_images(workload: Workload) -> int:
    """Images of a batch with λ≠0."""
    return workload.batch - workload.zeros()


def build_attack(workload: Workload, device: torch.device, n: int, engine_name: str, precision: str) -> Step:
    """PGD on n images, each at its own λ of S1."""
    recipe = workload.recipe("oat", precision)
    net = build(recipe, workload.shape[0], CLASSES).to(device).eval()
    engine, (pixels, y) = ENGINES[engine_name](net), random_images(workload, n, device)
    rows = (1 + torch.arange(n) % (len(recipe.lambdas) - 1)).to(device)
    cond = engine.condition(net.lambdas[rows], training=False, rows=rows)
    model, x, rng = ConditionedModel(engine, cond, precision), to_input(pixels), torch.Generator(device)
    size = recipe.epsilon, recipe.attack_step(), recipe.attack_steps

    def attack() -> torch.Tensor:
        with tf32_convolutions(precision == "tf32"):
            return pgd(model, x, y, *size, rng)

    return in_benchmark_mode(attack)
