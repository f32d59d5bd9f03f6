"""Best known attack: which images withstand every attack that was made on a network, and which attacks decided.

Attacks on a network at one λ and width with one ε fool different images, so their minimum, image by image, is a better
upper bound of robust accuracy than the strongest of them. Needs neither torch nor NumPy: reports and `show` read this.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.measures import correct_bits, result_schema

ACROSS = " over λ′"  # added to the name of an attack that was made through other λ too (bench/measures/transfer.py)
Point = tuple[float, float, float]  # λ, width, ε


@dataclass(frozen=True)
class BestKnown:
    """Of n images: how many, and which (bench.measures.correct_bits), are right and withstand every attack made on
    them. `decided_by`: attack → number of images that it fools and none before it does, the strongest first; all other
    images that are not robust are wrong without an attack."""

    n: int
    robust_correct: int
    robust_hits: str
    decided_by: dict[str, int]

    @property
    def ra(self) -> float:
        """Robust accuracy in percent."""
        return 100 * self.robust_correct / self.n


def attacks_by_point(results: dict) -> dict[Point, list[dict]]:
    """The rows of results.json that say which images withstood an attack on the network, by (λ, width, ε). A blend is
    another model, and its α no λ."""
    points: dict[Point, list[dict]] = {}
    for entry in results.get("measurements", {}).values():
        if entry["measurement"]["probe"] in ("accuracy", "transfer") and not entry["measurement"].get("blend"):
            for row in result_schema.parse(entry):
                if row["probe"] == "transfer":
                    row["attack"] += ACROSS
                if row["robust_hits"]:  # absent from transfer rows of earlier versions
                    points.setdefault((row["lam"], row["width"], row["epsilon"]), []).append(row)
    return points


def best_known(rows: Iterable[dict], n: int | None = None) -> BestKnown:
    """Minimum over the attacks on one network at one λ, width and ε, on the first n test images (default: those that
    every attack was made on). rows: see `attacks_by_point`.

    An image that is wrong without an attack is not robust. An attack on fewer images says nothing of the others.
    """
    rows = list(rows)
    n = n or min(row["n"] for row in rows)
    robust, withstood = (1 << n) - 1, {}
    for row in rows:
        masks = (correct_bits.mask(row[name], row["n"]) for name in correct_bits.COLUMNS)
        clean, hits = (first_images(bits, row["n"], n) for bits in masks)
        robust &= clean
        withstood[row["attack"]] = withstood.get(row["attack"], -1) & hits
    decided_by: dict[str, int] = {}
    while True:
        fooled = {attack: (robust & ~hits).bit_count() for attack, hits in sorted(withstood.items())}
        strongest = max(fooled, key=fooled.get)
        if not fooled[strongest]:
            return BestKnown(n, robust.bit_count(), correct_bits.encode_mask(robust, n), decided_by)
        decided_by[strongest] = fooled[strongest]
        robust &= withstood[strongest]


def first_images(bits: int, count: int, n: int) -> int:
    """A mask of `count` images as one of the first n; images that it does not have count as correct."""
    missing = n - count
    return bits >> -missing if missing < 0 else (bits << missing) | ((1 << missing) - 1)
