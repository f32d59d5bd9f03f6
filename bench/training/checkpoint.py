"""Save and load the training state after an epoch, in one safetensors file that is replaced atomically.

Nothing is pickled. All randomness of an epoch is seeded from (recipe seed, epoch), so no generator state is saved.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from bench import trial_manifest
from bench.damaged_files import Damaged

FILE = "checkpoint/state.safetensors"
UNREADABLE = (RuntimeError, ValueError, KeyError, TypeError)  # raised by content of another shape


@dataclass
class State:
    """Training state. `epoch`: number of finished epochs. `best`: selection tag ("one", "SA@0.1", …) → {"score",
    "epoch"}. `weights`: selection tag → state dict of that epoch's network. `average`: state dict of the averaged
    network, empty without one."""

    epoch: int = 0
    best: dict[str, dict] = field(default_factory=dict)
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)


def snapshot(net: nn.Module) -> dict[str, Tensor]:
    """Copy the state dict to the CPU."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in net.state_dict().items()}


def last_row(directory: Path, key: str) -> dict | None:
    """The metrics of the epoch after which the checkpoint was written; None where there is no checkpoint.

    Raises Damaged.
    """
    content = trial_manifest.verified_bytes(directory, FILE, key)
    if content is None:
        return None
    try:
        return json.loads(trial_manifest.tensors_metadata(content)["state"]).get("row")
    except UNREADABLE:
        raise Damaged(directory / FILE, "it is no checkpoint of this network") from None


def save(
    directory: Path, key: str, net: nn.Module, optimiser: torch.optim.SGD, state: State, row: dict | None = None
) -> None:
    """Write network, momentum and state of the trial in `directory`, and the last epoch's metrics. Raises NotFinite."""
    tensors = {f"net/{name}": value for name, value in snapshot(net).items()}
    for name, parameter in net.named_parameters():
        momentum = optimiser.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum/{name}"] = momentum.detach().cpu().clone().contiguous()
    tensors |= {f"average/{name}": value for name, value in state.average.items()}
    for tag, weights in state.weights.items():
        tensors |= {f"best/{tag}/{name}": value.clone() for name, value in weights.items()}
    metadata = {"state": json.dumps({"epoch": state.epoch, "best": state.best, "row": row})}
    trial_manifest.write_tensors(directory, FILE, tensors, key, metadata)


def load(directory: Path, key: str, net: nn.Module, optimiser: torch.optim.SGD) -> State:
    """Restore network and optimiser in place and return the state; the initial state where there is no file.

    Raises Damaged.
    """
    content = trial_manifest.verified_bytes(directory, FILE, key)
    if content is None:
        return State()
    try:
        return restore(content, net, optimiser)
    except UNREADABLE:
        raise Damaged(directory / FILE, "it is no checkpoint of this network") from None


def restore(content: bytes, net: nn.Module, optimiser: torch.optim.SGD) -> State:
    """Restore network and optimiser in place from the content of a checkpoint and return its state."""
    tensors, meta = trial_manifest.tensors(content), json.loads(trial_manifest.tensors_metadata(content)["state"])
    net.load_state_dict({name[4:]: value for name, value in tensors.items() if name.startswith("net/")})
    for name, parameter in net.named_parameters():
        if f"momentum/{name}" in tensors:
            momentum = torch.empty_like(parameter)  # keeps the parameter's memory format
            optimiser.state[parameter]["momentum_buffer"] = momentum.copy_(tensors[f"momentum/{name}"])
    state = State(meta["epoch"], meta["best"], average=with_prefix(tensors, "average/"))
    for tag in state.best:
        state.weights[tag] = with_prefix(tensors, f"best/{tag}/")
    return state


def with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
