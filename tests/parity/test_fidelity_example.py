"""The example of docs/fidelity.md, executed on a checkpoint in the format of the authors' scripts."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.authors_checkpoint import import_weights
from tests.parity import reference
from tests.parity.networks import S1, ZEROS, Case, authors, batch, encoding_matrix, forward

reference.require()
CASE = Case("resnet34", "dual")
EXAMPLE = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "fidelity.md").read_text(), re.DOTALL
)


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """Their network; best_ATA1.0.pth and rand_otho_mat.npy lie in the working directory."""
    net = authors(CASE, calm=False)
    torch.save(torch.nn.DataParallel(net).state_dict(), tmp_path / "best_ATA1.0.pth")
    np.save(tmp_path / "rand_otho_mat.npy", encoding_matrix(CASE.recipe.encoding))
    monkeypatch.chdir(tmp_path)
    return net.eval()


def test_the_example_gives_the_authors_logits(checkpoint):
    space = {}
    exec(EXAMPLE[0], space)
    data = batch(CASE)
    with torch.no_grad():
        ours, theirs = space["net"](data.x, data.lam), forward(checkpoint, CASE, data.x, data.code, ZEROS)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert space["logits"].shape == (2, 10) and Path("weights.safetensors").is_file()
    assert len(space["weights"]["codebook"]) == len(S1)


def test_latest_pth_holds_an_optimiser_too(checkpoint, tmp_path):
    model = torch.nn.DataParallel(checkpoint)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
    utils = {"epoch": 3, "best_TA": {0.0: 0.9}, "best_ATA": {0.0: 0.4}, "training_loss": [2.0], "val_TA": {0.0: [0.9]}}
    states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    torch.save(utils | states, tmp_path / "latest.pth")
    weights = import_weights(tmp_path / "latest.pth", CASE.recipe, 3, 10)
    assert torch.equal(weights["stem.weight"], checkpoint.conv1.weight)
