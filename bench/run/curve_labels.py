"""The curve of a figure that each network of a panel belongs to."""

from bench.spec.expand import Panel
from bench.spec.recipe_text import flat_fields

VARY_WITHIN_A_CURVE = ("lam", "lr", "seed")
PART_OF_THE_LABEL = ("method", "norm")


def curve_labels(panel: Panel) -> list[str]:
    """The label of each of the panel's networks: the suite's, or the method's name.

    Networks of one label, λ, learning rate and seed that differ in other fields get these fields added to the label.
    Otherwise two λ encodings, say, would be drawn as two seeds of one curve.
    """
    recipes = [trial.recipe for trial in panel.trials]
    labels = [panel.labels.get(trial.key, trial.recipe.label) for trial in panel.trials]
    same_curve_point: dict[tuple, list[int]] = {}
    for i, recipe in enumerate(recipes):
        same_curve_point.setdefault((labels[i], recipe.lam, recipe.lr, recipe.seed), []).append(i)
    for indices in same_curve_point.values():
        fields = {i: flat_fields(recipes[i]) for i in indices}
        compared = [n for n in fields[indices[0]] if n not in (*VARY_WITHIN_A_CURVE, *PART_OF_THE_LABEL)]
        differing = [name for name in compared if len({fields[i][name] for i in indices}) > 1]
        for i in indices:
            labels[i] = ", ".join([labels[i], *(f"{name}={fields[i][name]}" for name in differing)])
    return labels
