"""Fig. 2: running mean and variance of the last BN layer's channels, where clean and adversarial features part."""

from collections.abc import Iterator
from pathlib import Path

from bench.data import Images
from bench.models.network import ConditionalNetwork
from bench.models.slimmable import at_width
from bench.spec.measurement import Measurement


def bn_statistics(net: ConditionalNetwork, part: Images, what: Measurement, directory: Path) -> Iterator[dict]:
    """Yield a row per branch: {"lam", "branch" ("a" or "c"), "width", "layer", "mean" (C), "var" (C)}.

    `lam` is the network's own, None for one that is conditioned on it. No image is needed.
    """
    name, norm = [(name, module) for name, module in net.named_modules() if module is net.norms[-1]][0]
    for branch in ("a", "c"):
        bn = at_width(getattr(norm, f"bn_{branch}"), what.width)
        if bn is not None:
            row = {"lam": net.recipe.lam, "branch": branch, "width": what.width, "layer": name}
            yield row | {"mean": listed(bn.running_mean), "var": listed(bn.running_var)}


def listed(values) -> list[float]:
    return [float(f"{value:.7g}") for value in values.tolist()]
