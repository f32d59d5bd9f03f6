"""Interpolate the weights of a network and of one fine-tuned from it: θ(α) = (1-α)·θ_0 + α·θ_1, one network per image.

Model soups of robust networks (Croce et al., CVPR 2023, arXiv 2302.10164) and fine-tuning that is interpolated back
(RiFT: Zhu et al., ICCV 2023, arXiv 2308.02533). Two networks trained apart do not lie in one basin; one fine-tuned from
the other may. The BN statistics of θ(α) are neither network's: they are estimated anew on the training images.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from bench.data import Dataset, Images
from bench.engines import Engine, engine_for
from bench.engines.conditioned_model import ConditionedModel, model_at
from bench.measures.accuracy import batches
from bench.models.network import ConditionalNetwork
from bench.spec.measurement import Measurement


class WeightInterpolation:
    """tuned, start: the engines of the fine-tuned network (α=1) and of its start (α=0)."""

    parts = ()  # between them there is one network, whose gradient needs no help

    def __init__(self, tuned: Engine, start: Engine, train: Images, measurement: Measurement):
        self.tuned, self.start, self.train, self.measurement = tuned, start, train, measurement

    def at(self, alpha: float) -> tuple[ConditionedModel]:
        """The network at α; at 0 and 1 start and fine-tuned network themselves, with their own BN statistics."""
        device, width = self.train.images.device, self.measurement.width
        if alpha in (0, 1):
            end = self.tuned if alpha else self.start
            return (model_at(end, end.net.recipe.lam, device, width),)
        net = copy.deepcopy(self.tuned.net)
        net.load_state_dict(interpolated(self.start.net.state_dict(), self.tuned.net.state_dict(), alpha))
        estimate_bn_statistics(net, self.train, width, self.measurement.seed)
        return (model_at(engine_for(net.eval(), device), net.recipe.lam, device, width),)


def weights(ends: Sequence[Engine], data: Dataset, measurement: Measurement) -> WeightInterpolation:
    """Interpolate between a fine-tuned network and its start, whose engines are the ends."""
    return WeightInterpolation(*ends, data.train, measurement)


def interpolated(start: dict[str, Tensor], tuned: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """State dict at α; integers, which count batches, are the fine-tuned network's."""
    return {
        name: torch.lerp(start[name], value, alpha) if value.is_floating_point() else value
        for name, value in tuned.items()
    }


def estimate_bn_statistics(net: ConditionalNetwork, images: Images, width: float, seed: int) -> None:
    """Set all running statistics of BN at a width to means over batches of the images, in training mode. `seed`: of
    dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        update_bn((x for x, _ in batches(images)), AtOneLambda(net, width))


class AtOneLambda(nn.Module):
    """A PGD-AT network as a module of images alone, which `update_bn` calls."""

    def __init__(self, net: ConditionalNetwork, width: float):
        super().__init__()
        self.net, self.width = net, width

    def forward(self, x: Tensor) -> Tensor:
        lam = torch.full((len(x),), self.net.recipe.lam, device=x.device)
        return self.net(x, self.net.condition(lam, 0, self.width))
