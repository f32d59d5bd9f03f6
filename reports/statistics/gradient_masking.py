"""Signs that gradients are masked: counts → which sign a network fails (thresholds and why: docs/masking.md).

Every sign is a share of the test images, and is failed where the share is above what an honest network may have, by an
exact binomial test; the tests of one network, signs × λ, share one level (Bonferroni).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import bdtrc  # scipy.stats takes as long to import as a figure to draw

from reports.load.results import Panel, View

LEVEL = 0.05  # of flagging an honest network by chance: per network, all its signs and λ together
SIGNS = {  # sign → the share of images that an honest network may have
    "steps": 0.10,
    "restarts": 0.10,
    "large ε": 0.05,
    "Square": 0.05,
    "margin loss": 0.10,
    "transfer": 0.05,
    "no gradient": 0.05,
}
MEANING = {
    "steps": "withstood 20 steps of PGD, not 50",
    "restarts": "withstood one start of PGD, not 5",
    "large ε": "still robust at the largest ε",
    "Square": "withstand PGD, but not random search",
    "margin loss": "withstand PGD on the cross-entropy, but not on the margin",
    "transfer": "withstand PGD, but not another network's examples",
    "no gradient": "right, with an input gradient of exactly 0",
}


@dataclass(frozen=True)
class Sign:
    """`count` of `n` images show it; `tests` share the level; `row` is the measured row that it comes from."""

    name: str
    count: int
    n: int
    tests: int
    row: dict

    @property
    def p(self) -> float:
        """Of at least so many images, if their share were the greatest that an honest network may have."""
        return at_least(self.count, self.n, SIGNS[self.name])

    @property
    def fails(self) -> bool:
        return self.p <= LEVEL / self.tests

    @property
    def limit(self) -> int:
        """The least count that fails."""
        return least_failing(LEVEL / self.tests, self.n, SIGNS[self.name])


@cache  # asked of every network, λ and sign, and few counts differ
def at_least(count: int, n: int, share: float) -> float:
    return float(bdtrc(count - 1, n, share))


@cache
def least_failing(level: float, n: int, share: float) -> int:
    return int((bdtrc(np.arange(n + 1), n, share) <= level).argmax()) + 1


def signs(rows: Iterable[dict]) -> list[Sign]:
    """Of every network and λ, from the rows of probe `masking`; of the surrogate itself there is no `transfer`."""
    rows = list(rows)
    lent = {(row["key"], row["width"], row["lam"]): row for row in rows if row["surrogate"]}
    found = []
    for row in rows:
        if not row["surrogate"]:
            other = lent.get((row["key"], row["width"], row["lam"]))
            found += [(name, count, row) for name, count in counts(row, other).items()]
    tests = Counter(row["key"] for *_, row in found)
    return [Sign(name, count, row["n"], tests[row["key"]], row) for name, count, row in found]


def counts(row: dict, lent: dict | None) -> dict[str, int]:
    """Sign → number of images. lent: the row of examples from another network, None where there is none."""
    steps, restarts = (dict(row[name]) for name in ("steps", "restarts"))
    found = {"steps": steps[20] - steps[50], "restarts": restarts[1] - restarts[5]}
    found["large ε"] = row["epsilons"][-1][1] if row["epsilons"] else 0
    found |= {"Square": row["square"], "margin loss": row["margin"]}
    if lent:
        found["transfer"] = len({*row["robust_images"]} & {*lent["fooled_images"]})
    return found | {"no gradient": row["zero_gradients"]}


def failed(panel: Panel | View) -> dict[str, list[str]]:
    """Key of a network → the signs that it fails, at any λ; those that fail none are not in it."""
    found: dict[str, list[str]] = {}
    for sign in signs(panel.probes):
        if sign.fails and sign.name not in found.setdefault(sign.row["key"], []):
            found[sign.row["key"]].append(sign.name)
    return {key: names for key, names in found.items() if names}


def sentence(networks: int) -> str:
    """What a verdict adds where networks that it rests on fail a sign; empty for none."""
    if not networks:
        return ""
    text = "1 network shows" if networks == 1 else f"{networks} networks show"
    return f"but {text} signs of masked gradients"
