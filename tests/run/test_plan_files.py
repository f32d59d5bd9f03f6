"""Plans as files: labels of curves, tags, and what a damaged one does."""

from bench import ROOT
from bench.data import describe
from bench.run.curve_labels import curve_labels
from bench.run.plan_files import read_plans, write_plan
from bench.spec.expand import Options, Panel, plan
from bench.spec.trial import Trial
from bench.tracking.run_tags import tags_by_key
from tests.recipes import oat, pgd_at


def panel(*recipes, labels=()) -> Panel:
    """A panel of these networks, the first ones with these labels."""
    trials = tuple(Trial(recipe=recipe, measurements=(), source="digits") for recipe in recipes)
    named = {trial.key: label for trial, label in zip(trials, labels, strict=False)}
    return Panel("one", ("fig4",), "svhn", describe("digits", None), "wrn-10-1", {}, trials, named)


def test_networks_are_labelled_by_their_method():
    assert curve_labels(panel(pgd_at(0.1), pgd_at(0.4), oat(), oat(seed=1), oat(lr=0.05))) == [
        *["PGD-AT"] * 2,
        *["OAT (dual BN)"] * 3,
    ]


def test_two_encodings_are_two_curves_and_not_two_seeds():
    made = curve_labels(panel(oat(encoding="ro-16"), oat(encoding="dct-16"), pgd_at(0.1)))
    assert made == ["OAT (dual BN), encoding=ro-16", "OAT (dual BN), encoding=dct-16", "PGD-AT"]


def test_a_slimmable_network_has_a_label_of_its_own():
    widths = (0.5, 1.0)
    found = curve_labels(panel(pgd_at(widths=widths), oat(widths=widths), oat("normal", widths=widths), oat()))
    assert found == ["PGD-ATS", "OATS (dual BN)", "OATS (normal BN)", "OAT (dual BN)"]


def test_the_suite_s_label_stands_where_it_gives_one():
    assert curve_labels(panel(oat(), pgd_at(), labels=["RO-16"])) == ["RO-16", "PGD-AT"]
    two = panel(oat(), oat(encoding="dct-16"), labels=["OAT", "OAT"])  # one label for two networks: still two curves
    assert curve_labels(two) == ["OAT, encoding=ro-16", "OAT, encoding=dct-16"]


def test_a_plan_gives_its_networks_the_tags_of_all_that_use_them(tmp_path):
    made = plan(ROOT / "suites" / "frontiers.yaml", "laptop", Options(seeds=1))
    write_plan(made, tmp_path, "the command")
    tags = tags_by_key(read_plans(tmp_path))
    assert tags.keys() == {trial.key for trial in made.trials} and len(tags) == 8
    for tag in tags.values():
        assert (tag["suite"], tag["figure"], tag["scale"], tag["protocol"]) == (
            "frontiers",
            "fig4 fig8 masking",
            "laptop",
            "paper",
        )
        assert tag["mlflow.source.name"] == "suites/frontiers.yaml"
    made = plan(ROOT / "suites" / "extra" / "peers.yaml", "laptop", Options(seeds=1))
    write_plan(made, tmp_path / "other", "python -m bench run suites/extra/peers.yaml --seeds 1")
    assert {tag["mlflow.source.name"] for tag in tags_by_key(read_plans(tmp_path / "other")).values()} == {
        "suites/extra/peers.yaml"
    }


def test_a_damaged_plan_is_passed_over(tmp_path):
    (tmp_path / "plans").mkdir()
    for name, text in {"a": "", "b": "[]", "c": "{}", "d": "\x00"}.items():
        (tmp_path / "plans" / f"{name}.json").write_text(text)
    assert read_plans(tmp_path) == []
