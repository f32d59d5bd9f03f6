"""Exponential moving average of weights and BN statistics over training steps.

Weight averaging flattens the minimum and lessens robust overfitting in adversarial training (Gowal et al., 2020, arXiv
2010.03593; Rebuffi et al., NeurIPS 2021), so PGD-AT of today has it. The average is what is selected and measured; the
network itself is what is trained.
"""

from functools import partial

from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.models.network import ConditionalNetwork
from bench.training.checkpoint import State


def averaged(net: ConditionalNetwork, decay: float, state: State) -> AveragedModel:
    """The average of a network, as the checkpoint's state has it; its `module` is a network of its own."""
    average = AveragedModel(net, use_buffers=True)
    average.multi_avg_fn = partial(update, average, decay)
    if state.average:
        average.load_state_dict(state.average)
    return average


def update(average: AveragedModel, decay: float, averages: list[Tensor], values: list[Tensor], _: Tensor) -> None:
    """avg ← d·avg + (1-d)·θ, d = min(decay, (1+t)/(10+t)) after t steps: a training that is short against 1/(1-decay)
    steps forgets its random start too. `average` counts t on the CPU, so that a GPU need not wait for the number."""
    steps = int(average.n_averaged)
    get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averages, values, steps)
