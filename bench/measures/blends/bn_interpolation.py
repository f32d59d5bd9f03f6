"""Interpolate the branches of dual BN in a network without FiLM: h = (1-α)·BN_c(h) + α·BN_a(h) at every norm layer.

One network, trained at λ=0 through BN_c and at λ=1 through BN_a (AdvProp's auxiliary BN), whose branches are mixed at
test time: the dual BN of Split-Mix (Hong et al., ICLR 2022), and the soups of adapters of Rebuffi et al. (ICLR 2023,
arXiv 2210.04886). λ is no input: what OAT gains over this dial, conditioning on λ gains.
"""

from collections.abc import Sequence

import torch

from bench.data import Dataset
from bench.engines import Engine
from bench.engines.conditioned_model import ConditionedModel
from bench.models.dual_bn import Condition
from bench.spec.measurement import Measurement


class BnInterpolation:
    """engine: of a network with dual BN. clean, adversarial: its Conditions through BN_c and BN_a."""

    parts = ()  # one network at every α

    def __init__(self, engine: Engine, clean: Condition, adversarial: Condition):
        self.engine, self.norms, self.clean, self.adversarial = engine, engine.net.norms, clean, adversarial

    def at(self, alpha: float) -> tuple[ConditionedModel]:
        """The network at α. Both BNs see one input, so that their mixture is the BN with mixed scale and shift."""
        pairs = [(self.clean.affine_of(norm.index), self.adversarial.affine_of(norm.index)) for norm in self.norms]
        affine = [
            tuple(torch.lerp(from_c, from_a, alpha) for from_c, from_a in zip(clean, adversarial, strict=True))
            for clean, adversarial in pairs
        ]
        return (ConditionedModel(self.engine, Condition(False, self.clean.width, affine=affine)),)


def bn(ends: Sequence[Engine], data: Dataset, measurement: Measurement) -> BnInterpolation:
    """Interpolate between the branches of the one network whose engine is the end."""
    (engine,) = ends
    lam = torch.zeros(1, device=data.train.images.device)
    branches = (engine.condition(lam, width=measurement.width, branch=name, training=False) for name in "ca")
    return BnInterpolation(engine, *branches)
