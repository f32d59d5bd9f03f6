"""Find panels from which a panel of one seed can learn how much trainings vary: the same data, network and budget."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from reports.load.panels import Panel

BUDGET = ("data_hash", "pool", "arch", "epochs", "batch", "train_images", "epsilon", "schedule")  # fields of a recipe


def family(panel: Panel) -> set[tuple]:
    """Data, network and budget of each of a panel's networks."""
    budgets = ([recipe.get(name) for name in BUDGET] for recipe in panel.trials.recipe)
    return {(panel.dataset, panel.arch, *map(str, budget)) for budget in budgets}


def has_two_seeds(points: pd.DataFrame) -> bool:
    """Whether some network of the points was trained with two seeds."""
    return bool(len(points)) and int(points.groupby(["label", "lam"]).seed.nunique().max()) > 1


def with_relatives(panel: Panel, others: Iterable[tuple[str, Panel]]) -> Panel:
    """The panel with the points of those among `others`, (figure, panel), that are of its family and have two seeds."""
    own = family(panel)
    relatives = {
        f"{other.title} ({figure})": other.points
        for figure, other in others
        if has_two_seeds(other.points) and family(other) & own and other.overrides == panel.overrides
    }
    return replace(panel, relatives=relatives)
