"""Signs of gradient masking: counts → the signs that a network fails (thresholds and reasons: docs/masking.md).

Every sign is a share of the test images. A network fails it if the share is significantly above what an honest network
may have, by an exact binomial test; the tests of one network, signs × λ, share one level (Bonferroni).
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import bdtrc  # importing scipy.stats takes as long as drawing a figure

from reports.load import formatting
from reports.load.panels import Panel, View

LEVEL = 0.05  # chance of flagging an honest network: all its signs and λ together
SIGNS = {  # sign → share of images that an honest network may have
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
    """A sign of one network at one λ: `count` of `n` images show it. tests: number that share the level."""

    name: str
    count: int
    n: int
    tests: int
    row: dict

    @property
    def p(self) -> float:
        """p of at least `count` images if their share were the greatest that an honest network may have."""
        return float(bdtrc(self.count - 1, self.n, SIGNS[self.name]))

    @property
    def fails(self) -> bool:
        return self.p <= LEVEL / self.tests

    @property
    def limit(self) -> int:
        """Least count that fails."""
        return least_failing(LEVEL / self.tests, self.n, SIGNS[self.name])


@cache  # many signs share a number of images
def least_failing(level: float, n: int, share: float) -> int:
    """Least count of n that is significant at the level."""
    return int((bdtrc(np.arange(n + 1), n, share) <= level).argmax()) + 1


def signs(rows: list[dict]) -> list[Sign]:
    """Signs of every network and λ, from the rows of probe `masking`. The surrogate itself has no sign `transfer`."""
    surrogate_rows = {(row["key"], row["width"], row["lam"]): row for row in rows if row["surrogate"]}
    counts = []
    for row in rows:
        if not row["surrogate"]:
            surrogate_row = surrogate_rows.get((row["key"], row["width"], row["lam"]))
            counts += [(name, count, row) for name, count in sign_counts(row, surrogate_row).items()]
    tests = Counter(row["key"] for *_, row in counts)
    return [Sign(name, count, row["n"], tests[row["key"]], row) for name, count, row in counts]


def sign_counts(row: dict, surrogate_row: dict | None) -> dict[str, int]:
    """Sign → number of images. surrogate_row: examples from another network, None if there are none."""
    steps, restarts = (dict(row[name]) for name in ("steps", "restarts"))
    counts = {"steps": steps[20] - steps[50], "restarts": restarts[1] - restarts[5]}
    counts["large ε"] = row["epsilons"][-1][1] if row["epsilons"] else 0
    counts |= {"Square": row["square"], "margin loss": row["margin"]}
    if surrogate_row:
        counts["transfer"] = len({*row["robust_images"]} & {*surrogate_row["fooled_images"]})
    return counts | {"no gradient": row["zero_gradients"]}


def failed_signs(panel: Panel | View) -> dict[str, list[str]]:
    """Key of a network → the signs it fails at any λ, without networks that fail none."""
    failed: dict[str, list[str]] = defaultdict(list)
    for sign in signs(panel.probes):
        if sign.fails and sign.name not in failed[sign.row["key"]]:
            failed[sign.row["key"]].append(sign.name)
    return dict(failed)


def verdict_note(networks: int) -> str:
    """Addition to a verdict that rests on this many masked networks; empty for none."""
    show = "shows" if networks == 1 else "show"
    return f"but {formatting.counted(networks, 'network')} {show} signs of masked gradients" if networks else ""
