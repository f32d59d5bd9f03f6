"""What is known of a recipe's network before bench.models builds it: the sizes in its names, and which recipes build
the same. A plan asks for no more, and need not wait for torch.
"""

import re

from bench.spec.recipe import Recipe

ARCHITECTURES = "resnet34, wrn-<depth>-<width> with depth 6n + 4 (wrn-16-8, wrn-40-2, wrn-10-1, …)"
ENCODINGS = "none, onehot, dct-<d>, ro-<d>"


def wrn_sizes(arch: str) -> dict[str, int]:
    """{"depth", "width"} of a WRN, {} of resnet34. Raises ValueError for a name that is no architecture."""
    if arch == "resnet34":
        return {}
    match = re.fullmatch(r"wrn-(\d+)-(\d+)", arch)
    if not match or (int(match[1]) - 4) % 6 or int(match[1]) < 10 or int(match[2]) < 1:
        raise ValueError(f"architecture {arch!r} is unknown, allowed are {ARCHITECTURES}")
    return {"depth": int(match[1]), "width": int(match[2])}


def code_dim(encoding: str, n_lambdas: int) -> int:
    """Length of one code. Raises ValueError for an unknown encoding or one with fewer dimensions than λ values."""
    kind, _, size = encoding.partition("-")
    if encoding in ("none", "onehot"):
        return 1 if encoding == "none" else n_lambdas
    if kind not in ("dct", "ro") or not size.isdigit():
        raise ValueError(f"encoding {encoding!r} is unknown, allowed are {ENCODINGS}")
    if int(size) < n_lambdas:
        raise ValueError(f"encoding {encoding!r} has {size} dimensions for {n_lambdas} values of λ, which need as many")
    return int(size)


# What says nothing of the layers, at any one value.
TRAINING = {"dataset": "", "data_hash": "", "train_images": None, "heldout": 1, "augment": "none", "dropout": 0.0}
TRAINING |= {"epsilon": 1.0, "attack_steps": 1, "lr": 1.0, "schedule": "cosine", "epochs": 1, "batch": 2}
TRAINING |= {"momentum": 0.0, "weight_decay": 0.0, "precision": "fp32", "seed": 0}


def untrained(recipe: Recipe) -> Recipe:
    """One recipe of all those whose networks have the same layers, however they are trained."""
    return recipe.model_copy(update=TRAINING | ({"lam": 0.0} if recipe.method == "pgd_at" else {}))
