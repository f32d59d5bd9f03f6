from bench import plans
from bench.specs import Trial
from bench.suite import ROOT, Options, plan
from tests.recipes import oat, pgd_at


def trials(*recipes) -> tuple[Trial, ...]:
    return tuple(Trial(recipe=recipe, measurements=(), source="digits") for recipe in recipes)


def test_networks_are_labelled_by_their_method():
    assert plans.labels(trials(pgd_at(0.1), pgd_at(0.4), oat(), oat(seed=1), oat(lr=0.05))) == [
        *["PGD-AT"] * 2,
        *["OAT (dual BN)"] * 3,
    ]


def test_two_encodings_are_two_curves_and_not_two_seeds():
    made = plans.labels(trials(oat(encoding="ro-16"), oat(encoding="dct-16"), pgd_at(0.1)))
    assert made == ["OAT (dual BN), encoding=ro-16", "OAT (dual BN), encoding=dct-16", "PGD-AT"]


def test_a_plan_gives_its_networks_the_tags_of_all_that_use_them(tmp_path):
    made = plan(ROOT / "suites" / "frontiers.yaml", "laptop", Options(seeds=1))
    plans.write(made, tmp_path, "the command")
    tags = plans.tags(tmp_path)
    assert tags.keys() == {trial.key for trial in made.trials} and len(tags) == 8
    for tag in tags.values():
        assert (tag["suite"], tag["figure"], tag["scale"], tag["protocol"]) == (
            "frontiers",
            "fig4 fig8",
            "laptop",
            "paper",
        )


def test_a_damaged_plan_is_passed_over(tmp_path):
    (tmp_path / "plans").mkdir()
    for name, text in {"a": "", "b": "[]", "c": "{}", "d": "\x00"}.items():
        (tmp_path / "plans" / f"{name}.json").write_text(text)
    assert plans.read_all(tmp_path) == []
