"""Importing a checkpoint of the authors: every tensor at its place, and one line about the first that does not fit.

The names and shapes below are written by hand after their code; tests/parity compares them with the code itself.
"""

import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bench.authors_checkpoint import authors_name, convert, import_weights
from bench.models import build
from bench.spec.protocol_ledger import Protocol
from tests.recipes import oat, pgd_at

DIM, OURS_ALONE = 16, ("codebook", "lambdas")
AUTHORS = {"protocol": Protocol(film="authors")}
OAT, PLAIN = oat("dual", **AUTHORS), pgd_at()
BN = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def checkpoint(branches=("BN_c.", "BN_a."), block="bundle{}.0.", film=True) -> dict[str, torch.Tensor]:
    """State dict of a WRN-10-1 for one channel and ten classes, with the names of models/svhn/wide_resnet_OAT.py."""
    shapes = {"conv1.weight": (16, 1, 3, 3), "fc.weight": (10, 64), "fc.bias": (10,)}
    norms = {"bn1.": 64}
    for stage, (inputs, outputs) in enumerate(((16, 16), (16, 32), (32, 64)), start=1):
        at = block.format(stage)
        shapes |= {f"{at}conv1.weight": (outputs, inputs, 3, 3), f"{at}conv2.weight": (outputs, outputs, 3, 3)}
        norms |= {f"{at}bn1.": inputs, f"{at}bn2.": outputs}
        if inputs != outputs:
            shapes[f"{at}convShortcut.weight"] = (outputs, inputs, 1, 1)
        for layer, c in (("film1", inputs), ("film2", outputs)) if film else ():
            shapes |= {f"{at}{layer}.MLP.0.weight": (2 * c, DIM), f"{at}{layer}.MLP.0.bias": (2 * c,)}
            shapes |= {f"{at}{layer}.MLP.2.weight": (2 * c, 2 * c), f"{at}{layer}.MLP.2.bias": (2 * c,)}
    for name, channels in norms.items():
        shapes |= {f"{name}{b}{t}": () if t == BN[-1] else (channels,) for b in branches for t in BN}
    rng = torch.Generator().manual_seed(0)
    return {
        name: torch.tensor(3) if name.endswith(BN[-1]) else torch.rand(shape, generator=rng)
        for name, shape in shapes.items()
    }


def plain() -> dict[str, torch.Tensor]:
    return checkpoint(("",), "block{}.layer.0.", film=False)


@pytest.mark.parametrize(
    ("recipe", "theirs"),
    [(OAT, checkpoint()), (oat("normal", **AUTHORS), checkpoint(("",))), (PLAIN, plain())],
    ids=["dual", "normal", "plain"],
)
def test_every_tensor_is_used_once_and_the_network_takes_them(recipe, theirs):
    converted = convert({f"module.{name}": tensor for name, tensor in theirs.items()}, recipe, 1, 10)
    build(recipe, 1, 10).load_state_dict(converted)
    names = {authors_name(name, recipe): name for name in converted if name not in OURS_ALONE}
    assert names.keys() == theirs.keys() and len(names) == len(converted) - sum(
        name in OURS_ALONE for name in converted
    )
    assert all(torch.equal(converted[names[name]], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("recipe", "ours", "theirs"),
    [
        (OAT, "stem.weight", "conv1.weight"),
        (OAT, "blocks.1.norm2.bn_c.running_mean", "bundle2.0.bn2.BN_c.running_mean"),
        (OAT, "blocks.2.norm1.film.both.2.bias", "bundle3.0.film1.MLP.2.bias"),
        (OAT, "norm_last.bn_a.weight", "bn1.BN_a.weight"),
        (PLAIN, "blocks.1.norm2.bn_a.bias", "block2.layer.0.bn2.bias"),
        (PLAIN.model_copy(update={"arch": "resnet34"}), "blocks.3.norm_shortcut.bn_a.bias", "layer2.0.shortcut.1.bias"),
        (OAT.model_copy(update={"arch": "resnet34"}), "blocks.15.norm_shortcut.bn_c.bias", "bundle4.2.bn_sc.BN_c.bias"),
        (pgd_at(widths=(0.5, 1.0), arch="resnet34"), "norm_stem.bn_a.1.weight", "bn1.bn.1.weight"),
        (oat("dual", widths=(0.5, 1.0), arch="resnet34"), "norm_stem.bn_c.0.weight", "bn1.BN_c.0.weight"),
    ],
)
def test_names(recipe, ours, theirs):
    assert authors_name(ours, recipe) == theirs


@pytest.mark.parametrize(
    ("change", "recipe", "message"),
    [
        ({"fc.bias": None}, OAT, "fc.bias is not in the checkpoint, but needed for head.bias"),
        (
            {"conv1.weight": torch.zeros(16, 3, 3, 3)},
            OAT,
            r"conv1.weight is \(16, 3, 3, 3\) in the checkpoint",
        ),
        ({"conv1.weight": [0.0]}, OAT, "conv1.weight is list in the checkpoint"),
        ({"bundle1.1.conv1.weight": torch.zeros(1)}, OAT, "bundle1.1.conv1.weight is in the checkpoint, but oat-dual"),
        ({}, oat("normal", **AUTHORS), "bundle1.0.bn1.weight is not in the checkpoint, but needed for blocks.0.norm1"),
        ({}, oat("dual", encoding="ro-128", **AUTHORS), r"bundle1.0.film1.MLP.0.weight is \(32, 16\)"),
        ({}, oat("dual", arch="wrn-16-1", **AUTHORS), "bundle1.1.bn1.BN_a.weight is not in the checkpoint"),
        ({}, PLAIN, "block1.layer.0.bn1.weight is not in the checkpoint"),
        ({}, oat("dual"), "film1.MLP.0.weight makes γ and β both, which needs the recipe's protocol film: authors"),
    ],
)
def test_the_first_tensor_that_does_not_fit_is_named(change, recipe, message):
    theirs = {name: tensor for name, tensor in (checkpoint() | change).items() if tensor is not None}
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        convert(theirs, recipe, 1, 10)
    assert "\n" not in str(caught.value)


def test_codes_come_from_the_matrix_beside_the_checkpoint(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((DIM, DIM))
    save_file(checkpoint(), tmp_path / "best.safetensors")
    with pytest.raises(ValueError, match="rand_otho_mat.npy: no such file, but ro-16's random matrix is not"):
        import_weights(tmp_path / "best.safetensors", OAT, 1, 10)
    np.save(tmp_path / "rand_otho_mat.npy", matrix)
    weights = import_weights(tmp_path / "best.safetensors", OAT, 1, 10)
    assert torch.equal(weights["codebook"], torch.tensor(matrix[:6], dtype=torch.float32))
    np.save(tmp_path / "other.npy", matrix[:8])
    with pytest.raises(ValueError, match=r"other.npy: a matrix of \(8, 16\), but ro-16 takes \(16, 16\)"):
        import_weights(tmp_path / "best.safetensors", OAT, 1, 10, matrix=tmp_path / "other.npy")


NAN, INF = float("nan"), float("inf")
NO_WEIGHTS = {
    "nan": ({"fc.bias": torch.full((10,), NAN)}, "fc.bias has values in the checkpoint that are not finite"),
    "infinity": ({"conv1.weight": torch.full((16, 1, 3, 3), -INF)}, "conv1.weight has values"),
    "too large for fp32": ({"fc.bias": torch.full((10,), 1e300, dtype=torch.float64)}, "fc.bias has values"),
    "nan among counts": ({"bn1.num_batches_tracked": torch.tensor(NAN)}, "bn1.num_batches_tracked has values"),
    "complex": ({"fc.bias": torch.zeros(10, dtype=torch.complex64)}, "fc.bias is no plain tensor of real numbers"),
    "sparse": ({"fc.bias": torch.zeros(10).to_sparse()}, "fc.bias is no plain tensor of real numbers"),
    "negative variance": ({"bn1.running_var": torch.full((64,), -1.0)}, "bn1.running_var has negative values"),
    "a number as name": ({5: torch.zeros(1)}, "5 is a key in the checkpoint"),
    "a tensor twice": ({"module.fc.bias": torch.zeros(10)}, "fc.bias is in the checkpoint twice"),
    "a name with a line break": ({"a\nb": torch.zeros(1)}, r"a\\nb is in the checkpoint, but"),
}


@pytest.mark.parametrize(("change", "message"), NO_WEIGHTS.values(), ids=NO_WEIGHTS)
def test_weights_that_no_network_can_have_are_refused(change, message, tmp_path):
    torch.save(plain() | change, tmp_path / "best.pth")
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        import_weights(tmp_path / "best.pth", PLAIN, 1, 10)
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_or_matrix_is_one_line_whatever_the_damage(tmp_path):
    """Each of some truncations and flipped bytes is refused in one line that names the file, or harmless."""
    rng, refused = random.Random(0), 0
    torch.save(checkpoint(), tmp_path / "whole.pth")
    np.save(tmp_path / "whole.npy", np.eye(DIM))
    for case in range(60):
        name = ("damaged.pth", "damaged.npy")[case % 2]
        content = bytearray((tmp_path / name.replace("damaged", "whole")).read_bytes())
        start = rng.randrange(min(len(content), 400 if name.endswith("npy") else len(content)))
        if case % 4 < 2:
            content = content[:start]
        else:
            content[start : start + 8] = rng.randbytes(8)
        (tmp_path / name).write_bytes(content)
        paths = {"damaged.pth": tmp_path / "whole.pth", "damaged.npy": tmp_path / "whole.npy"} | {name: tmp_path / name}
        try:
            import_weights(paths["damaged.pth"], OAT, 1, 10, matrix=paths["damaged.npy"])
        except ValueError as error:
            refused += 1
            assert str(error).isprintable()
    assert refused > 30  # every truncation at least


MATRICES = [np.full((DIM, DIM), NAN), np.array([["x"] * DIM] * DIM), np.zeros((DIM, DIM), complex)]


@pytest.mark.parametrize("matrix", MATRICES, ids=["nan", "text", "complex"])
def test_a_matrix_that_is_no_matrix_of_numbers_is_refused(matrix, tmp_path):
    save_file(checkpoint(), tmp_path / "best.safetensors")
    np.save(tmp_path / "rand_otho_mat.npy", matrix)
    with pytest.raises(ValueError, match="rand_otho_mat.npy: (has values that are not finite|no matrix of numbers)"):
        import_weights(tmp_path / "best.safetensors", OAT, 1, 10)


class Trap:
    def __reduce__(self):
        return open, ("trapped", "w")


@pytest.mark.parametrize("content", [{"fc.weight": Trap()}, [1], b"no zip", None])
def test_a_file_that_is_no_checkpoint_is_refused_and_runs_no_code(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match="best.pth: no ") as caught:
        import_weights(path, PLAIN, 1, 10)
    assert "\n" not in str(caught.value) and not (tmp_path / "trapped").exists()
