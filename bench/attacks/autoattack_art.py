"""AutoAttack's standard version, composed of ART's attacks.

ART's own AutoAttack has other defaults (five restarts, no targets, steps of 0.1), and its class imports a package that
ART does not require. Import this module only where ART is used: that takes seconds.
"""

import fcntl
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

# ART's first import on a machine writes ~/.art/config.json, and fails in a second process that looks at the same time.
with open(Path(tempfile.gettempdir()) / f"import-of-art-{os.getuid()}.lock", "w", encoding="utf-8") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    from art.attacks.evasion import AutoProjectedGradientDescent, DeepFool, SquareAttack
    from art.attacks.evasion.auto_attack import run_attack
    from art.estimators.classification import PyTorchClassifier


def standard(network: nn.Module, x: Tensor, y: Tensor, epsilon, seed, steps: int, targets: int, queries: int) -> Tensor:
    """Attack images x (N, C, H, W) with labels y by AutoAttack's standard version, as far as ART has its attacks."""
    with torch.no_grad():
        classes = network(x[:1]).shape[1]

    def classifier(loss: nn.Module) -> Classifier:
        shape, device = tuple(x.shape[1:]), "cpu" if x.device.type == "cpu" else "gpu"
        return Classifier(network, loss, shape, classes, clip_values=(0.0, 1.0), device_type=device)

    plain, marked, batch = classifier(nn.CrossEntropyLoss()), classifier(TargetedDLR()), len(x)
    marked._reduce_labels = marked._int_labels = marked._probability_labels = False  # the loss needs the rows unchanged
    linf = {"norm": np.inf, "eps": epsilon, "batch_size": batch, "verbose": False}
    apgd = linf | {"eps_step": 2 * epsilon, "max_iter": steps, "nb_random_init": 1}
    attacks = [AutoProjectedGradientDescent(plain, loss_type="cross_entropy", **apgd)]
    attacks += [Targeted(marked, rank, **apgd) for rank in range(2, min(targets, classes - 1) + 2)]
    attacks += [DeepFool(plain, max_iter=steps, epsilon=1e-3, nb_grads=10, batch_size=batch, verbose=False)]
    attacks += [SquareAttack(plain, max_iter=queries, p_init=0.8, nb_restarts=1, **linf)]
    adv, labels = np.array(x.cpu().numpy(), order="C"), np.eye(classes, dtype=np.float32)[y.cpu().numpy()]
    robust = plain.predict(adv, batch).argmax(axis=1) == labels.argmax(axis=1)
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        for attack in attacks:
            if robust.any():
                adv, robust = run_attack(adv, labels, robust, attack, plain, np.inf, epsilon)
    finally:
        np.random.set_state(before)
    return torch.from_numpy(adv)


class Classifier(PyTorchClassifier):
    """ART's classifier with predictions in one batch. ART makes a data loader for each prediction, which takes longer
    than a small network does, and Square predicts up to 15,000 times."""

    def predict(self, x: np.ndarray, *args, **kwargs) -> np.ndarray:
        with torch.no_grad():
            return self._model(torch.from_numpy(x).to(self._device))[-1].cpu().numpy()


class Targeted(AutoProjectedGradientDescent):
    """APGD-T: towards the class of rank `rank` by likelihood on the clean image. ART's own targeting needs another
    loss."""

    def __init__(self, estimator: PyTorchClassifier, rank: int, **fields):
        super().__init__(estimator, loss_type=None, **fields)
        self.rank = rank

    def generate(self, x: np.ndarray, y: np.ndarray, **kwargs) -> np.ndarray:
        """y: (N, classes), 1 at the right class. TargetedDLR recognises the target by a ½ at its class."""
        target = self.estimator.predict(x, batch_size=self.batch_size).argsort(axis=1)[:, -self.rank]
        return super().generate(x, y + 0.5 * np.eye(y.shape[1], dtype=np.float32)[target], **kwargs)


class TargetedDLR(nn.modules.loss._Loss):
    """-(z_y - z_t) / (z_1 - (z_3 + z_4) / 2), z_k the kth largest logit: Eq. 7 of AutoAttack's paper. The difference
    alone where there are fewer than four classes."""

    def forward(self, outputs: Tensor, marks: Tensor) -> Tensor:
        """outputs, marks: (N, classes); the largest mark is the right class's, the next one the target's."""
        right, target = outputs.gather(1, marks.topk(2, dim=1).indices).T
        ordered = outputs.sort(dim=1, descending=True).values
        loss = target - right
        if outputs.shape[1] > 3:
            loss = loss / (ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2 + 1e-12)
        return loss if self.reduction == "none" else loss.mean()
