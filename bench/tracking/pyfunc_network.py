"""A trained network as MLflow loads it: `mlflow.pyfunc.load_model`, `mlflow models predict` and `serve` call this."""

from pathlib import Path

import numpy as np

from bench.trained_network import TrainedNetwork


class PyfuncNetwork:
    """Images → probabilities, with the trade-off chosen at each call."""

    def __init__(self, directory: Path):
        self.network = TrainedNetwork(directory)

    def predict(self, images: np.ndarray, params: dict | None = None) -> np.ndarray:
        """(N, C, H, W) floats in [0,1] → (N, classes). params: {"lam", "width"}. Raises ValueError for a λ or width
        that the network cannot take; so is a λ that was not given."""
        chosen = params or {}
        lam, width = chosen.get("lam"), chosen.get("width", 1.0)
        return self.network(np.asarray(images), lam, width).softmax(1).numpy()


def _load_pyfunc(path: str) -> PyfuncNetwork:
    """What MLflow calls with the path of the model's data: a trial's recipe and weights."""
    return PyfuncNetwork(Path(path))
