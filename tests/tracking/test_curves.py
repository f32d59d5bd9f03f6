"""Which networks are one curve, its name and colour, and the mean over its seeds."""

from bench.spec.lambda_sets import S2
from bench.tracking.curves import COLOURS, curve_colours, curve_key, curve_name, distinct_names, mean_points
from tests.recipes import oat, pgd_at


def test_a_curve_joins_seeds_and_the_lambdas_of_networks_that_have_one_each():
    assert len({curve_key(pgd_at(lam, seed=seed)) for lam in (0.0, 0.3) for seed in (0, 1)}) == 1
    others = [pgd_at(), pgd_at(lr=0.05), pgd_at(epochs=3), oat(), oat("normal"), oat(lambdas=S2), oat(widths=(0.5, 1))]
    assert len({curve_key(recipe) for recipe in others}) == len(others)


def test_the_name_of_a_curve_is_its_networks_without_seed_and_lambda():
    for recipe, name in ((pgd_at(0.3, seed=2), "pgd-at · digits"), (oat(seed=1, encoding="dct-4"), "oat-dual dct-4 ·")):
        assert curve_name(recipe.name, recipe.seed, recipe.lam).startswith(name)
    assert curve_name(pgd_at(0.3, seed=2).name, 2, 0.3) == curve_name(pgd_at(1.0, seed=10).name, 10, 1.0)


def test_curves_of_one_name_are_told_apart_by_what_differs():
    curves = {
        "a": ("oat · wrn", {"epochs": "2", "seed": "0", "lr": "0.1"}),
        "b": ("oat · wrn", {"epochs": "4", "seed": "1"}),
    }
    curves["c"] = ("pgd-at · wrn", {"epochs": "8"})
    names = distinct_names({key: (name, {"lr": "0.1"} | fields) for key, (name, fields) in curves.items()})
    assert names == {"a": "oat · epochs 2", "b": "oat · epochs 4", "c": "pgd-at"}  # what all share is left out
    assert distinct_names({"a": ("oat · wrn · lr 0.1", {}), "b": ("oat · resnet · lr 0.1", {})}) == {
        "a": "oat · wrn",
        "b": "oat · resnet",
    }


def test_a_curve_s_name_lacks_what_all_curves_of_the_experiment_share():
    curves = {
        "a": ("oat · digits · lr 0.1", {}),
        "b": ("pgd-at · digits · lr 0.1", {}),
        "c": ("oat · digits · lr 1", {}),
    }
    assert distinct_names(curves) == {"a": "oat · lr 0.1", "b": "pgd-at · lr 0.1", "c": "oat · lr 1"}
    assert distinct_names({"a": curves["a"]}) == {"a": "oat · digits · lr 0.1"}


def test_variants_have_colours_of_their_own_and_the_plain_method_has_the_figures():
    label = "OAT (dual BN)"
    curves = {"variant": ("oat-dual dct-16 · lr 0.1", label), "plain": ("oat-dual · lr 0.1", label)}
    curves |= {str(i): (f"oat-dual ro-{i} · lr 0.1", label) for i in range(12)}
    curves |= {"frontier": ("pgd-at · lr 0.1", "PGD-AT"), "plugin": ("mine · lr 0.1", "MINE (normal BN)")}
    colours = curve_colours(curves)
    assert len(set(colours.values())) == len(curves)
    assert colours["plain"] == COLOURS[label] and colours["frontier"] == COLOURS["PGD-AT"]
    assert curve_colours(dict(reversed(curves.items()))) == colours  # whatever the order in which a store lists them
    assert len(curve_colours({str(i): (f"{i:03}", label) for i in range(50)})) == 50


def test_the_mean_is_over_the_networks_that_were_measured_there():
    networks = [{("SA", 0): 80.0, ("SA", 300): 70.0}, {("SA", 0): 81.0}, {("SA", 0): 82.0, ("RA.pgd7", 0): 3.0}]
    assert mean_points(networks) == {("RA.pgd7", 0): 3.0, ("SA", 0): 81.0, ("SA", 300): 70.0}
