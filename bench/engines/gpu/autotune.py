"""cuDNN's benchmark mode: at the first convolution of each shape cuDNN times its algorithms, and keeps the fastest."""

from contextlib import AbstractContextManager

from bench.engines.gpu.engine import GpuEngine
from bench.engines.precision import cudnn_flag
from bench.spec.recipe import Recipe


class AutotunedGpuEngine(GpuEngine):
    """GpuEngine that trains in cuDNN's benchmark mode where shapes are constant.

    Experimental, by BENCH_ENGINE=gpu-autotune alone: its effect has been measured on no GPU (`make gpu-check` does).
    The algorithms chosen, and so the rounding, may differ from run to run.
    """

    name = "gpu-autotune"

    def training_memory(self) -> AbstractContextManager:
        return cudnn_flag("benchmark", constant_shapes(self.net.recipe))


def constant_shapes(recipe: Recipe) -> bool:
    """Whether every training batch of a recipe attacks as many images: all, or all but a fixed number of λ=0 samples.
    Where the number is drawn, each new number would be a new shape of every convolution."""
    protocol = recipe.protocol
    number_is_drawn = 0 in recipe.lambdas and protocol.lam_sampling == "iid" and protocol.attack_lam0 == "skip"
    return not number_is_drawn
