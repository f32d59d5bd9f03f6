"""The paper's sets of λ, and which λ a network never met in training."""

import re

SETS = {  # Sec. 4.1 and 4.4, App. C
    "S1": (0.0, 0.1, 0.2, 0.3, 0.4, 1.0),
    "S2": (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0),
    "S3": (0.15, 0.25, 0.35, 0.5, 0.7, 0.9),
    "S4": (0.1, 0.2, 0.3, 0.4, 1.0),
}


def trained_on(label: str, recipe: object) -> frozenset[float] | None:
    """The λ of a conditional network's training; None where every λ counts as met, or nothing is known.

    From its recipe in the plan; plans older than that leave the label, such as `OAT on S2`. A network that met λ from a
    continuous range (App. C) has seen them all.
    """
    recipe = recipe if isinstance(recipe, dict) else {}
    if recipe.get("lambdas"):
        return frozenset(map(float, recipe["lambdas"])) if recipe.get("lam_density", "set") == "set" else None
    named = re.search(r"\bS[124]\b", label)
    return frozenset(SETS[named[0]]) if named else None


def unseen(lam: float, met: frozenset[float] | None) -> bool:
    return met is not None and all(abs(lam - other) > 1e-9 for other in met)
