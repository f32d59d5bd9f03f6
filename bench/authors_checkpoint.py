"""Import checkpoints of the authors' code: their tensors under our names (docs/fidelity.md).

Their networks are those of VITA-Group/Once-for-All-Adversarial-Training, commit 2615279: `models/*/*_OAT.py` for a
conditional recipe, the files without `_OAT` for PGD-AT, and CIFAR-10's `resnet_slimmable*` for a recipe with widths.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.errors import one_line
from bench.models.build import build, parse_arch
from bench.models.resnet import STAGES
from bench.spec.recipe import Recipe

MATRIX = "rand_otho_mat.npy"  # their code leaves the random orthogonal matrix of a run beside its checkpoints
SAME = {"stem": "conv1", "norm_stem": "bn1", "norm_last": "bn1", "conv1": "conv1", "conv2": "conv2"}
SAME |= {"norm1": "bn1", "norm2": "bn2"}
WORDS = {  # (architecture, conditional) → what differs: a block by (stage, index) from (1, 0), and single layers
    ("resnet", True): {"block": "bundle{}.{}", "shortcut": "conv_sc", "norm_shortcut": "bn_sc", "head": "linear"},
    ("resnet", False): {"block": "layer{}.{}", "shortcut": "shortcut.0", "norm_shortcut": "shortcut.1"}
    | {"head": "linear"},
    ("wrn", True): {"block": "bundle{}.{}", "shortcut": "convShortcut", "head": "fc"},
    ("wrn", False): {"block": "block{}.layer.{}", "shortcut": "convShortcut", "head": "fc"},
}


def import_weights(path: Path, recipe: Recipe, in_channels: int, classes: int, matrix: Path | None = None) -> dict:
    """The weights of a recipe's network, {our name: tensor}, from an authors' checkpoint: `best_*.pth`, `latest.pth`,
    or the same tensors as safetensors. `matrix`: the encoding's matrix, for ro-<d> alone; none for MATRIX beside the
    checkpoint. Raises ValueError, one line that names the first tensor that does not fit or is not finite."""
    codes = None
    if recipe.encoding.startswith("ro-") and recipe.method != "pgd_at":
        codes = read_codes(Path(matrix or Path(path).parent / MATRIX), recipe)
    return convert(read(Path(path)), recipe, in_channels, classes, codes)


def convert(theirs: dict, recipe: Recipe, in_channels: int, classes: int, codes: Tensor | None = None) -> dict:
    """Their state dict → ours. `codes` (|S|, d): one row per trained λ; none for the recipe's own codebook."""
    if recipe.norm == "dual-affine":
        raise ValueError("norm: dual-affine is not in the authors' code, whose networks are normal or dual")
    if recipe.method != "pgd_at" and recipe.protocol.film != "authors":
        raise ValueError("film1.MLP.0.weight makes γ and β both, which needs the recipe's protocol film: authors")
    odd = next((name for name in theirs if not isinstance(name, str)), None)
    if odd is not None:
        raise ValueError(one_line(f"{odd!r} is a key in the checkpoint, but the name of a tensor is expected"))
    twice = next((name for name in theirs if f"module.{name}" in theirs), None)
    if twice is not None:
        raise ValueError(one_line(f"{twice} is in the checkpoint twice, with and without `module.`"))
    theirs = {name.removeprefix("module."): tensor for name, tensor in theirs.items()}  # of DataParallel
    ours, used = {}, set()
    for name, tensor in build(recipe, in_channels, classes).state_dict().items():
        if name in ("codebook", "lambdas"):  # not in their checkpoints
            ours[name] = codes if name == "codebook" and codes is not None else tensor
            continue
        source = authors_name(name, recipe)
        used.add(source)
        ours[name] = fitting(theirs, source, name, tensor)
    extra = next((name for name in theirs if name not in used), None)
    if extra is not None:
        raise ValueError(one_line(f"{extra} is in the checkpoint, but {recipe.name} has no such tensor"))
    return ours


def fitting(theirs: dict, source: str, name: str, wanted: Tensor) -> Tensor:
    if source not in theirs:
        raise ValueError(f"{source} is not in the checkpoint, but needed for {name}")
    tensor = theirs[source]
    if not isinstance(tensor, Tensor) or tensor.shape != wanted.shape:
        shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ValueError(f"{source} is {shape} in the checkpoint, but {name} is {tuple(wanted.shape)}")
    if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized or tensor.is_meta:
        raise ValueError(f"{source} is no plain tensor of real numbers in the checkpoint")
    converted = tensor.detach().to(wanted.dtype)
    if not (tensor.to(torch.float64).isfinite().all() and converted.to(torch.float64).isfinite().all()):
        raise ValueError(f"{source} has values in the checkpoint that are not finite (NaN or infinity)")
    if source.endswith("running_var") and (converted < 0).any():
        raise ValueError(f"{source} has negative values in the checkpoint, but is a variance")
    return converted


def authors_name(name: str, recipe: Recipe) -> str:
    """Our tensor's name in their state dict: `blocks.3.norm1.bn_c.weight` → `bundle2.0.bn1.BN_c.weight`."""
    arch = "wrn" if recipe.arch.startswith("wrn") else "resnet"
    words, where, parts = SAME | WORDS[arch, recipe.method != "pgd_at"], "", name.split(".")
    if parts[0] == "blocks":
        where = words["block"].format(*stage(int(parts[1]), recipe.arch)) + "."
        parts = parts[2:]
    layer, rest = words[parts[0]], parts[1:]
    if rest[0] == "film":  # film.both.0.weight → film1.MLP.0.weight
        layer, rest = layer.replace("bn", "film"), ["MLP", *rest[2:]]
    elif rest[0] in ("bn_a", "bn_c"):
        single = ["bn"] if recipe.widths else []  # a switchable BN is a list under this name
        rest = [rest[0].replace("bn", "BN")] + rest[1:] if recipe.norm == "dual" else single + rest[1:]
    return where + ".".join([layer, *rest])


def stage(block: int, arch: str) -> tuple[int, int]:
    """Our block's stage, from 1, and its index there, from 0."""
    _, size = parse_arch(arch)
    counts = [(size["depth"] - 4) // 6] * 3 if size else [count for _, count, _ in STAGES]
    for number, count in enumerate(counts, start=1):
        if block < count:
            return number, block
        block -= count
    raise ValueError(f"{arch} has no block {block}")


def read(path: Path) -> dict:
    """A checkpoint's state dict. Of a pickle only tensors and plain values are read, so that no file can run code."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        is_pickle = path.suffix != ".safetensors"
        state = torch.load(path, map_location="cpu", weights_only=True) if is_pickle else load_file(path)
    except Exception as error:  # torch raises whatever the bytes lead to: KeyError, BadZipFile, OSError, …
        raise ValueError(f"{path}: no checkpoint of tensors alone ({first_line(error)})") from None
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]  # latest.pth holds the optimiser too
    if not isinstance(state, dict):
        raise ValueError(f"{path}: no state dict but {type(state).__name__}")
    return state


def read_codes(path: Path, recipe: Recipe) -> Tensor:
    """(|S|, d) fp32 codes: in their code the n-th λ of the list has the n-th row of the matrix."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file, but {recipe.encoding}'s random matrix is not in the checkpoint itself")
    d = int(recipe.encoding.removeprefix("ro-"))
    try:
        matrix = np.load(path, allow_pickle=False)
    except Exception as error:  # OSError, EOFError, ValueError, BadZipFile, SyntaxError of a header, …
        raise ValueError(f"{path}: no matrix of numbers ({first_line(error)})") from None
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind not in "fiu":
        raise ValueError(f"{path}: no matrix of numbers ({getattr(matrix, 'dtype', type(matrix).__name__)})")
    if matrix.shape != (d, d):
        raise ValueError(f"{path}: a matrix of {matrix.shape}, but {recipe.encoding} takes {(d, d)}")
    codes = torch.tensor(matrix[: len(recipe.lambdas)], dtype=torch.float32)
    if not codes.isfinite().all():
        raise ValueError(f"{path}: has values that are not finite (NaN or infinity)")
    return codes


def first_line(error: Exception) -> str:
    """The first line of an exception's message, or its type."""
    return one_line((str(error).strip().splitlines() or [type(error).__name__])[0][:200])
