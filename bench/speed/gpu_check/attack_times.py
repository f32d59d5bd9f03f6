"""PGD-7 alone, as a training step of OAT runs it: most of the step, and the part that an engine can change most."""

from collections.abc import Iterator

import torch

from bench.attacks.pgd import pgd
from bench.engines.conditioned_model import ConditionedModel
from bench.measures.accuracy import to_input
from bench.models import build
from bench.speed.gpu_check.parts import Request, precisions, workloads
from bench.speed.gpu_check.step_times import ENGINES, ROUNDS, WARM_UP
from bench.speed.implementations import Step, in_benchmark_mode
from bench.speed.interleaved_timing import interleave
from bench.speed.workloads import CLASSES, Workload, random_images


def time_attacks(request: Request) -> Iterator[dict]:
    """{"network", "images", "seconds": {"eager engine, fp32": [of each round], …}} of each network."""
    device = torch.device(request.device)
    for workload in workloads(request):
        pairs = [(engine, precision) for precision in precisions(request.device) for engine in ENGINES]
        steps = {f"{engine} engine, {p}": build_attack(workload, device, engine, p) for engine, p in pairs}
        row = {"network": workload.name, "images": attacked_images(workload)}
        yield row | {"seconds": interleave(steps, ROUNDS, WARM_UP)}


def attacked_images(workload: Workload) -> int:
    """Images of a batch with λ≠0."""
    return workload.batch - workload.zeros()


def build_attack(workload: Workload, device: torch.device, engine_name: str, precision: str) -> Step:
    """PGD on as many images as a training step attacks, each at its own λ of S1."""
    recipe, n = workload.recipe("oat", precision), attacked_images(workload)
    net = build(recipe, workload.shape[0], CLASSES).to(device).eval()
    engine, (pixels, y) = ENGINES[engine_name](net), random_images(workload, n, device)
    rows = (1 + torch.arange(n) % (len(recipe.lambdas) - 1)).to(device)
    cond = engine.condition(net.lambdas[rows], training=False, rows=rows)
    model, x, rng = ConditionedModel(engine, cond, precision), to_input(pixels), torch.Generator(device)
    size = recipe.epsilon, recipe.attack_step(), recipe.attack_steps
    return in_benchmark_mode(lambda: pgd(model, x, y, *size, rng))
