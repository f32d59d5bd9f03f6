"""CUDA graphs: an attack's two thousand kernel launches, recorded once and replayed by one."""

import functools
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.engines.gpu.engine import GpuEngine
from bench.engines.gpu.spread_condition import SpreadCondition
from bench.models.dual_bn import Condition
from bench.models.network import ConditionalNetwork

MULTIPLE = 8  # of images in a graph: the number of attacked images differs from batch to batch
UNEQUAL_PIXELS = 0.01  # at most, between a graph and the same steps without: some backward convolutions are not exact


class NoGraph(UserWarning):
    """The engine attacks without graphs."""


class GraphedGpuEngine(GpuEngine):
    """GpuEngine whose attack in a training step is one CUDA graph, for each multiple of MULTIPLE images.

    Experimental, by BENCH_ENGINE=gpu-graphs alone: no GPU has run it (`make gpu-check` does). A graph is compared with
    the same steps without it when it is recorded. Where it fails or differs, the engine warns and goes on as GpuEngine.
    """

    name = "gpu-graphs"

    def __init__(self, net: ConditionalNetwork):
        super().__init__(net)
        self.graphs: dict[tuple, AttackGraph] = {}
        self.failed = False

    @functools.cached_property
    def pool(self) -> tuple:
        """Memory of all graphs: one runs at a time, and its result is copied at once."""
        return torch.cuda.graph_pool_handle()

    def pgd(self, x, low, high, y, step, steps, cond: Condition) -> Tensor | None:
        of_training = 0 < len(x) <= self.net.recipe.batch and type(cond) is SpreadCondition
        if self.failed or not of_training or not can_record(x.device):
            return None
        tensors = x, low, high, y, cond.scale, cond.shift
        key = padded(len(x)), len(cond.scale) > 1, x.shape[1:], cond.width, step, steps, *arithmetic(x.device)
        try:
            if key not in self.graphs:
                self.graphs[key] = AttackGraph(self.net, tensors, cond, step, steps, self.pool)
            return self.graphs[key].run(tensors)
        except RuntimeError as error:  # CUDA's, torch's, or out of memory
            self.failed = True
            self.graphs.clear()
            warnings.warn(f"no CUDA graphs: {str(error).splitlines()[0]}", NoGraph, stacklevel=2)
            return None


class AttackGraph:
    """`steps` of PGD, recorded for padded(N) images. Images, bounds and λ are copied into tensors of the graph. The
    images that are left over do not matter: in eval mode none depends on another. Parameters are read where they lie,
    so an optimiser may change them in place. Raises RuntimeError.

    tensors: (N, C, H, W) images, lower and upper bounds, (N,) labels, (N or 1, ΣC) scale and shift.
    """

    def __init__(self, net, tensors: tuple[Tensor, ...], cond: SpreadCondition, step, steps, pool: tuple):
        self.net, self.layers, self.step, self.steps = net, cond.layers, step, steps
        n, x = len(tensors[0]), tensors[0]
        rows = [padded(n)] * 4 + [padded(n) if len(cond.scale) > 1 else 1] * 2
        self.inputs = [static(value, length) for value, length in zip(tensors, rows, strict=True)]
        self.fill(tensors)
        self.replay, self.adversarial, expected = record(self.attack, x.device, pool)
        self.replay()
        unequal = float((self.adversarial[:n] != expected[:n]).float().mean())
        if unequal > UNEQUAL_PIXELS:
            raise RuntimeError(f"{unequal:.1%} of an attack's pixels differ from those without a graph")

    def fill(self, tensors: tuple[Tensor, ...]) -> None:
        for own, value in zip(self.inputs, tensors, strict=True):
            own[: len(value)].copy_(value)

    def attack(self) -> Tensor:
        """The steps by autograd, as bench/attacks/pgd.py takes these. Autocast keeps no cast weight, which would be
        that of this recording for ever."""
        adv, low, high, y, scale, shift = self.inputs
        cond, device = SpreadCondition(False, self.layers, scale, shift), adv.device.type
        enabled = torch.is_autocast_enabled(device)
        with torch.autocast(device, torch.bfloat16, enabled=enabled, cache_enabled=False):
            for _ in range(self.steps):
                x = adv.detach().requires_grad_()
                loss = F.cross_entropy(self.net(x, cond).float(), y, reduction="none").sum()
                adv = adv.add(torch.autograd.grad(loss, x)[0].sign(), alpha=self.step).clamp(low, high)
        return adv

    def run(self, tensors: tuple[Tensor, ...]) -> Tensor:
        """(N, C, H, W) adversarial images of other images and λ of as many, after padding."""
        self.fill(tensors)
        self.replay()
        return self.adversarial[: len(tensors[0])].clone()


def padded(n: int) -> int:
    return -(-n // MULTIPLE) * MULTIPLE


def static(like: Tensor, length: int) -> Tensor:
    """Zeros (length, …) in the dtype and memory format of a tensor (N, …)."""
    value = like.new_zeros((length, *like.shape[1:]))
    return value.contiguous(memory_format=torch.channels_last) if like.dim() == 4 else value


def arithmetic(device: torch.device) -> tuple[bool, bool, bool]:
    """The settings that a recording keeps for ever: autocast, TF32, benchmark mode."""
    cudnn = torch.backends.cudnn
    return torch.is_autocast_enabled(device.type), cudnn.allow_tf32, cudnn.benchmark


def can_record(device: torch.device) -> bool:
    return device.type == "cuda"


def record(
    compute: Callable[[], Tensor], device: torch.device, pool: tuple
) -> tuple[Callable[[], None], Tensor, Tensor]:
    """Record the kernels of `compute`. Returns (replay, its output, which each replay fills anew, and the result of a
    run before the recording). The run makes what must not be recorded, such as handles of libraries."""
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            expected = compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            output = compute()
    return graph.replay, output, expected
