"""Labels of the curves that a panel's networks belong to."""

from bench.data import describe
from bench.run.curve_labels import curve_labels
from bench.spec.expand import Panel
from bench.spec.trial import Trial
from tests.recipes import oat, pgd_at


def panel(*recipes, labels=()) -> Panel:
    """A panel of these networks, the first ones with these labels."""
    trials = tuple(Trial(recipe=recipe, measurements=(), source="digits") for recipe in recipes)
    label_by_key = {trial.key: label for trial, label in zip(trials, labels, strict=False)}
    return Panel("one", ("fig4",), "svhn", describe("digits", None), "wrn-10-1", {}, trials, label_by_key)


def test_networks_are_labelled_by_their_method():
    labels = curve_labels(panel(pgd_at(0.1), pgd_at(0.4), oat(), oat(seed=1), oat(lr=0.05)))
    assert labels == ["PGD-AT"] * 2 + ["OAT (dual BN)"] * 3


def test_two_encodings_are_two_curves_and_not_two_seeds():
    labels = curve_labels(panel(oat(encoding="ro-16"), oat(encoding="dct-16"), pgd_at(0.1)))
    assert labels == ["OAT (dual BN), encoding=ro-16", "OAT (dual BN), encoding=dct-16", "PGD-AT"]


def test_slimmable_networks_have_labels_of_their_own():
    widths = (0.5, 1.0)
    labels = curve_labels(panel(pgd_at(widths=widths), oat(widths=widths), oat("normal", widths=widths), oat()))
    assert labels == ["PGD-ATS", "OATS (dual BN)", "OATS (normal BN)", "OAT (dual BN)"]


def test_the_suite_s_label_replaces_the_method_s():
    assert curve_labels(panel(oat(), pgd_at(), labels=["RO-16"])) == ["RO-16", "PGD-AT"]
    same_label = panel(oat(), oat(encoding="dct-16"), labels=["OAT", "OAT"])
    assert curve_labels(same_label) == ["OAT, encoding=ro-16", "OAT, encoding=dct-16"]
