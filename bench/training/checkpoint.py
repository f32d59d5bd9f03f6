"""Save and load the training state after an epoch, in one safetensors file that is replaced atomically.

Nothing is pickled. All randomness of an epoch is seeded from (recipe seed, epoch), so no generator state is saved.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.atomic_write import write_tensors


@dataclass
class State:
    """Training state. `epoch`: number of finished epochs. `best`: selection tag ("one", "SA@0.1", …) → {"score",
    "epoch"}. `weights`: selection tag → state dict of that epoch's network."""

    epoch: int = 0
    best: dict[str, dict] = field(default_factory=dict)
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)


def snapshot(net: nn.Module) -> dict[str, Tensor]:
    """Copy the state dict to the CPU."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in net.state_dict().items()}


def path_in(directory: Path) -> Path:
    """The checkpoint's file in a trial's directory."""
    return directory / "checkpoint" / "state.safetensors"


def last_row(directory: Path) -> dict | None:
    """The metrics of the epoch after which the checkpoint was written; None where there is no checkpoint."""
    from safetensors import safe_open

    if not path_in(directory).exists():
        return None
    with safe_open(path_in(directory), "pt") as file:
        return json.loads(file.metadata()["state"]).get("row")


def save(path: Path, net: nn.Module, optimiser: torch.optim.SGD, state: State, row: dict | None = None) -> None:
    """Write network, momentum and state, and the last epoch's metrics."""
    tensors = {f"net/{name}": value for name, value in snapshot(net).items()}
    for name, parameter in net.named_parameters():
        momentum = optimiser.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum/{name}"] = momentum.detach().cpu().clone().contiguous()
    for tag, weights in state.weights.items():
        tensors |= {f"best/{tag}/{name}": value.clone() for name, value in weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tensors, {"state": json.dumps({"epoch": state.epoch, "best": state.best, "row": row})})


def load(path: Path, net: nn.Module, optimiser: torch.optim.SGD) -> State:
    """Restore network and optimiser in place and return the state; the initial state where there is no file."""
    if not path.exists():
        return State()
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        meta = json.loads(file.metadata()["state"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    net.load_state_dict({name[4:]: value for name, value in tensors.items() if name.startswith("net/")})
    for name, parameter in net.named_parameters():
        if f"momentum/{name}" in tensors:
            momentum = torch.empty_like(parameter)  # keeps the parameter's memory format
            optimiser.state[parameter]["momentum_buffer"] = momentum.copy_(tensors[f"momentum/{name}"])
    state = State(meta["epoch"], meta["best"])
    for tag in state.best:
        prefix = f"best/{tag}/"
        state.weights[tag] = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
    return state
