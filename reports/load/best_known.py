"""RA under the best known attack: the minimum over all attacks made on a network, planned for the figure or not."""

from collections import Counter
from pathlib import Path

import pandas as pd

from bench.measures.best_known import ACROSS, attacks_by_point, best_known
from bench.trial_dir import read_results
from reports.load import formatting

NAME = "best-known"  # in place of an attack
IDENTITY = ["key", "label", "lam", "width", "epsilon"]  # of a point


def best_known_points(points: pd.DataFrame, runs: Path) -> pd.DataFrame:
    """A row per point of `points` (reports.load.panels.POINT_COLUMNS), on the same images, with `attack` NAME and
    `decided_by`: attack → images that it fools and no stronger one does."""
    rows, by_key = [], {}
    for point in points.drop_duplicates(IDENTITY).to_dict("records"):
        key = point["key"]
        if key not in by_key:
            by_key[key] = attacks_by_point(read_results(runs / "trials" / key, key))
        best = best_known(by_key[key][point["lam"], point["width"], point["epsilon"]], point["n"])
        counts = {"robust_correct": best.robust_correct, "ra": best.ra, "robust_hits": best.robust_hits}
        rows.append(point | counts | {"attack": NAME, "package": None, "decided_by": best.decided_by})
    return pd.DataFrame(rows, columns=[*points.columns, "decided_by"])


def decided_text(points: pd.DataFrame) -> str:
    """Share of the fooled images that each attack decided, of best_known_points: AutoAttack 97 %, PGD-50 3 %."""
    counts = sum(map(Counter, points.decided_by), Counter())
    shares = [f"{attack_name(attack)} {100 * count / counts.total():.0f} %" for attack, count in counts.most_common()]
    return ", ".join(shares) or "no image is fooled"


def attack_name(attack: str) -> str:
    """Name an attack, which may have been made over λ′."""
    return formatting.attack(attack.removesuffix(ACROSS)) + ACROSS * attack.endswith(ACROSS)
