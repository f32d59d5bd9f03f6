"""The minimum over attacks, image by image, against NumPy."""

import numpy as np
import pytest

from bench.measures.best_known import attacks_by_point, best_known
from bench.measures.correct_bits import decode, encode, encode_mask, mask


def row(attack: str, clean, robust, **fields) -> dict:
    counts = {"n": len(clean), "clean_correct": int(sum(clean)), "robust_correct": int(sum(robust))}
    bits = {"clean_hits": encode(clean), "robust_hits": encode(robust)}
    return {"lam": 0.3, "width": 1.0, "attack": attack} | counts | bits | fields


def test_it_is_the_minimum_over_all_attacks():
    rng = np.random.default_rng(0)
    clean = rng.random(75) < 0.9
    robust = {attack: rng.random(75) < share for attack, share in (("a", 0.8), ("b", 0.6), ("c", 0.9))}
    best = best_known([row(attack, clean, hits) for attack, hits in robust.items()])
    expected = clean & robust["a"] & robust["b"] & robust["c"]
    assert (decode(best.robust_hits, 75) == expected).all() and best.robust_correct == expected.sum()
    assert best.ra == pytest.approx(100 * expected.mean()) and list(best.decided_by)[0] == "b"
    assert sum(best.decided_by.values()) == (clean & ~expected).sum()


def test_the_attacks_that_decided_are_told_with_what_each_adds():
    clean = [True] * 5 + [False]
    rows = [row("weak", clean, [1, 1, 1, 0, 1, 1]), row("strong", clean, [0, 0, 1, 0, 1, 1])]
    rows += [row("other", clean, [1, 0, 1, 1, 0, 0])]
    assert best_known(rows).decided_by == {"strong": 3, "other": 1}
    assert best_known(rows[:1] + [row("nothing", clean, clean)]).decided_by == {"weak": 1}


def test_an_attack_on_few_images_says_nothing_of_the_others():
    clean = [True] * 9
    rows = [row("all", clean, [1, 1, 0, 1, 1, 1, 1, 1, 0]), row("few", clean[:3], [0, 1, 1])]
    assert decode(best_known(rows).robust_hits, 3).tolist() == [False, True, False]
    on_all = best_known(rows, 9)
    assert decode(on_all.robust_hits, 9).tolist() == [0, 1, 0, 1, 1, 1, 1, 1, 0] and on_all.decided_by["few"] == 1
    assert best_known(rows, 2).robust_correct == 1


def test_rows_are_grouped_by_lambda_width_and_epsilon():
    clean = [True, True]
    transfer = {"crafted_at": [0.3], "robust_correct": [2], "worst_correct": 1, "same_tries_correct": 2}
    transfer |= {"only_lambda": 1, "only_starts": 0}
    entries = [
        ({"probe": "accuracy", "epsilon": 0.1}, [row("pgd7", clean, [1, 0]), row("pgd7", clean, [1, 1], lam=1.0)]),
        ({"probe": "accuracy", "epsilon": 0.2}, [row("pgd7", clean, [0, 0])]),
        ({"probe": "transfer", "epsilon": 0.1}, [row("pgd50", clean, [0, 1]) | transfer]),
        ({"probe": "transfer", "epsilon": 0.1}, [{k: v for k, v in (row("pgd20", clean, [0, 1]) | transfer).items()
                                                  if not k.endswith("hits")}]),
        ({"probe": "unknown"}, [{}]),
        ({"probe": "accuracy", "epsilon": 0.1, "blend": "bn"}, [row("fgsm", clean, [0, 0])]),  # at α = 0.3
    ]  # fmt: skip
    results = {"measurements": {str(i): {"measurement": m, "rows": rows} for i, (m, rows) in enumerate(entries)}}
    points = attacks_by_point(results)
    assert {point: [row["attack"] for row in rows] for point, rows in points.items()} == {
        (0.3, 1.0, 0.1): ["pgd7", "pgd50 over λ′"],
        (1.0, 1.0, 0.1): ["pgd7"],
        (0.3, 1.0, 0.2): ["pgd7"],
    }
    assert best_known(points[0.3, 1.0, 0.1]).robust_correct == 0


@pytest.mark.parametrize("n", [1, 7, 8, 9, 450])
def test_a_mask_is_the_bits_in_the_images_order(n):
    right = np.random.default_rng(n).random(n) < 0.6
    assert [bool(mask(encode(right), n) >> (n - 1 - i) & 1) for i in range(n)] == right.tolist()
    assert encode_mask(mask(encode(right), n), n) == encode(right)
