"""Conditions on contrasts."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reports.claims.decide import Condition
from reports.load.results import Panel
from reports.statistics.contrasts import Terms, cells, contrast, require


@dataclass(frozen=True)
class Asked:
    """A condition on a contrast before it is measured; fields as decide.Condition's."""

    what: str
    terms: Terms
    low: float = -np.inf
    high: float = np.inf
    unit: str = "pp"
    weight: float = 1.0
    leads: bool = False


def measured(panel: Panel, asked: Iterable[Asked]) -> list[Condition]:
    """Raises Absent with everything that any of them lacks."""
    asked, found = list(asked), cells(panel)
    require(found, (cell for one in asked for cell in one.terms))
    return [
        Condition(one.what, contrast(found, one.terms), one.low, one.high, one.unit, one.weight, one.leads)
        for one in asked
    ]
