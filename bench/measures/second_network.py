"""The trained network of another trial, which a measurement takes besides its own."""

from pathlib import Path

import torch

from bench.engines import Engine, engine_for
from bench.models import build
from bench.spec.recipe import Recipe
from bench.trial_manifest import tensors, verified_bytes


def other_engine(directory: Path, channels: int, classes: int, device: torch.device) -> Engine:
    """The engine of the selected network in a trial's directory, in eval mode.

    Raises FileNotFoundError where the network has not been trained, and Damaged where its files are.
    """
    fields, weights = (verified_bytes(directory, name) for name in ("recipe.json", "weights.safetensors"))
    if fields is None or weights is None:
        raise FileNotFoundError(f"{directory} holds no trained network")
    net = build(Recipe.model_validate_json(fields), channels, classes).to(device).eval()
    net.load_state_dict(tensors(weights))
    return engine_for(net, device)
