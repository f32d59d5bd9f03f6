"""Sizes in the names of backbones and λ encodings, and the fields of a recipe that determine the network's layers."""

import re

from bench.errors import unknown
from bench.spec.recipe import Recipe

ENCODINGS = ("none", "onehot", "dct-<d>", "ro-<d>")
MAX_DEPTH = 250
MAX_CODE = 1024  # dimensions of a code: a d × d matrix is made at each start; the paper's have at most 128


def wrn_sizes(arch: str) -> dict[str, int] | None:
    """{"depth", "width"} of `wrn-<depth>-<width>`, None for other names. Raises ValueError for an impossible size."""
    match = re.fullmatch(r"wrn-(0|[1-9][0-9]{0,8})-(0|[1-9][0-9]{0,8})", arch)
    if not match:
        return None
    depth, width = int(match[1]), int(match[2])
    if depth > MAX_DEPTH:
        raise ValueError(f"architecture {arch!r} has more than {MAX_DEPTH} layers: the deepest WRN in use has 106")
    if depth < 10 or (depth - 4) % 6 or width < 1:
        nearest = f"wrn-{max(10, 6 * round((depth - 4) / 6) + 4)}-{max(width, 1)}"
        raise ValueError(
            f"unknown architecture {arch!r}, did you mean {nearest!r}? (a WRN's depth is 6n + 4: 10, 16, 22, 28, …)"
        )
    return {"depth": depth, "width": width}


def code_dim(encoding: str, n_lambdas: int) -> int:
    """Length of one code. Raises ValueError for an unknown encoding or one with fewer dimensions than λ values."""
    match = re.fullmatch(r"(dct|ro)-(0|[1-9][0-9]{0,8})", encoding)
    if encoding not in ("none", "onehot") and not match:
        raise ValueError(unknown("encoding", encoding, ENCODINGS))
    size = int(match[2]) if match else {"none": 1, "onehot": n_lambdas}[encoding]
    if match and size < n_lambdas:
        raise ValueError(f"encoding {encoding!r} has {size} dimensions for {n_lambdas} values of λ, which need as many")
    if size > MAX_CODE:
        raise ValueError(f"encoding {encoding!r} has more than {MAX_CODE} dimensions: the paper's have at most 128")
    return size


# Fields that do not change the layers, each at one fixed value.
NOT_OF_LAYERS = {"dataset": "", "data_hash": "", "train_images": None, "heldout": 1, "augment": "none", "dropout": 0.0}
NOT_OF_LAYERS |= {"epsilon": 1.0, "attack_steps": 1, "lr": 1.0, "schedule": "cosine", "epochs": 1, "batch": 2}
NOT_OF_LAYERS |= {"tuned_from": None, "tuning_lr": None, "ema": 0.0}
NOT_OF_LAYERS |= {"momentum": 0.0, "weight_decay": 0.0, "precision": "fp32", "seed": 0}


def layers_only(recipe: Recipe) -> Recipe:
    """One recipe for all networks with the same layers, however they are trained."""
    return recipe.model_copy(update=NOT_OF_LAYERS | ({"lam": 0.0} if recipe.method == "pgd_at" else {}))
