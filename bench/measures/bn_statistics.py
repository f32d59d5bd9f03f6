"""Running mean and variance of the last BN layer, where clean and adversarial features separate (Fig. 2)."""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from bench.data import Images
from bench.engines import Engine
from bench.models.slimmable import at_width
from bench.spec.measurement import Measurement


def bn_statistics(engine: Engine, images: Images, measurement: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per BN branch: {"lam", "branch" ("a" or "c"), "width", "layer", "mean" (C), "var" (C)}.

    `lam` is the λ of a PGD-AT network, None for a conditional one. The images are not used.
    """
    net = engine.net
    name, norm = next((name, module) for name, module in net.named_modules() if module is net.norms[-1])
    for branch in ("a", "c"):
        bn = at_width(getattr(norm, f"bn_{branch}"), measurement.width)
        if bn is not None:
            row = {"lam": net.recipe.lam, "branch": branch, "width": measurement.width, "layer": name}
            yield row | {"mean": rounded(bn.running_mean), "var": rounded(bn.running_var)}


def rounded(values: Tensor) -> list[float]:
    """The values to 7 significant digits."""
    return [float(f"{value:.7g}") for value in values.tolist()]
