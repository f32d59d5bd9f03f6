"""The suites that are here: at paper scale exactly the paper's networks, each figure's from where it takes them."""

import subprocess
from collections import Counter

import pytest

from bench import ROOT
from bench.run.curve_labels import curve_labels
from bench.spec.expand import Options, merge, plan
from bench.spec.lambda_sets import S1, S2, S3

SUITES = sorted((ROOT / "suites").glob("*.yaml"))
PEERS = ROOT / "suites" / "extra" / "peers.yaml"
SUCCESSORS = PEERS.with_name("successors.yaml")


@pytest.fixture(scope="module")
def paper():
    return [plan(path, "paper", Options(seeds=1)) for path in SUITES]


@pytest.fixture(scope="module")
def modern():
    return plan(ROOT / "suites" / "extra" / "modern.yaml", "paper", Options(seeds=1))


def test_there_is_a_suite_for_each_part_of_the_paper():
    names = ["ablations", "attacks", "frontiers", "masking", "saliency", "sampling", "slimming"]
    assert [path.stem for path in SUITES] == names


def test_the_figures_of_the_paper_are_47_networks_and_none_of_them_twice(paper):
    """Per learning rate. Beside them are four of statements that no figure shows:
    one-hot codes, two continuous densities with as many epochs as S1, and a width of 0.25."""
    panels = [panel for suite_plan in paper for panel in suite_plan.panels]
    for lr in (0.1, 0.05, 0.01):
        trials = {t for p in panels for t in p.trials if t.recipe.lr == lr}
        recipes = {t.key: t.recipe for t in trials}
        stated = {
            key
            for key, r in recipes.items()
            if r.encoding == "onehot" or 0.25 in r.widths or (r.lam_density != "set" and r.epochs == 80)
        }
        assert len(stated) == 4 and len(recipes) == 47 + 4
    everything = merge(trial for panel in panels for trial in panel.trials)
    assert len(everything) == len({trial.key for trial in everything})
    recipes = [trial.recipe.model_dump_json() for trial in everything]
    assert len(set(recipes)) == len(recipes)


def test_no_network_of_the_paper_differs_from_another_in_nothing_that_is_trained(paper):
    """The same network under two keys would be trained twice: no two differ in what cannot matter alone."""
    recipes = {t.recipe for suite_plan in paper for t in suite_plan.trials}
    assert all(recipe.essential() == recipe for recipe in recipes)
    assert {recipe.essential().key for recipe in recipes} == {recipe.key for recipe in recipes}


def test_every_figure_of_the_paper_has_a_suite(paper):
    figures = {figure for suite_plan in paper for panel in suite_plan.panels for figure in panel.figures}
    assert figures == {f"fig{n}" for n in (2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)} | {
        "appc",
        "cost",
        "masking",
        "free",
        "narrow",
    }


def test_what_needs_no_training_of_its_own_has_none(paper, modern):
    """Fig. 2, 7, 8 and 10–12 are of Fig. 4's networks, and so are all measured under today's attacks."""
    keys = {}
    for suite_plan in [*paper, modern]:
        for panel in suite_plan.panels:
            for figure in panel.figures:
                keys.setdefault(figure, set()).update(trial.key for trial in panel.trials)
    measured = ("fig2", "fig7", "fig8", "fig10", "fig11", "fig12", "modern", "masking", "transfer", "joint")
    for figure in (*measured, "dials-autoattack"):
        assert keys[figure] <= keys["fig4"]
    assert keys["free"] <= keys["fig4"] and keys["modern-widths"] <= keys["fig6"]
    assert keys["fig6"] == keys["fig9"] and not keys["fig6"] & keys["fig4"]


def test_figure_5_asks_pgd_at_for_14_lambdas_and_oat_for_them_all(paper):
    (panel,) = [panel for suite_plan in paper for panel in suite_plan.panels if panel.figures == ("fig5",)]
    dedicated = sorted({t.recipe.lam for t in panel.trials if t.recipe.method == "pgd_at"})
    assert dedicated == sorted({*S2, *S3}) and len(dedicated) == 14
    for trial in panel.trials:
        lams = [lam for measurement in trial.measurements for lam in measurement.lambdas]
        assert sorted(lams) == (dedicated if trial.recipe.method == "oat" else [trial.recipe.lam])


def test_slimming_is_the_paper_s_three_widths_and_the_one_of_its_footnote(paper):
    (slimming,) = [slimming for slimming in paper if slimming.suite == "slimming"]
    trials = [trial for trial in slimming.trials if trial.recipe.widths == (0.5, 0.75, 1.0)]
    narrow = [trial for trial in slimming.trials if len(trial.recipe.widths) > 3]
    assert {(t.recipe.widths, t.recipe.label) for t in narrow} == {((0.25, 0.5, 0.75, 1.0), "OATS (dual BN)")}
    assert {m.width for t in narrow for m in t.measurements} == {0.25, 0.5, 0.75, 1.0}
    assert Counter(t.recipe.label for t in trials if t.recipe.lr == 0.1) == {
        "PGD-ATS": 6,
        "OATS (dual BN)": 1,
        "OATS (normal BN)": 1,
    }
    for trial in trials:
        assert Counter((w.probe, w.width) for w in trial.measurements) == {
            (probe, width): 1 for probe in ("accuracy", "cost") for width in (0.5, 0.75, 1.0)
        }


def test_the_other_attacks_are_at_the_same_radius(paper, modern):
    (attacks,) = [suite_plan for suite_plan in paper if suite_plan.suite == "attacks"]
    expected = {"fig7": {"pgd20", "mifgsm", "fgsm"}, "modern": {"pgd7", "pgd50", "cw50", "autoattack"}}
    expected |= {"transfer": {"pgd7"}, "joint": {"pgd50", "autoattack"}, "modern-widths": expected["modern"]}
    expected["dials-autoattack"] = {"autoattack"}
    expected["masking-widths"] = {"pgd7"}  # the field's default; probe `masking` has attacks of its own
    for panel in (*attacks.panels, *modern.panels):
        for trial in panel.trials:
            sizes = {measurement.attack: (measurement.epsilon, measurement.step) for measurement in trial.measurements}
            assert sizes.keys() == expected[panel.figures[0]]
            assert set(sizes.values()) == {(8 / 255, 2 / 255)}


@pytest.mark.parametrize(("scale", "few"), [("smoke", 64), ("laptop", 64), ("workstation", 100), ("paper", 1000)])
def test_the_costly_attacks_and_what_stands_beside_them_are_on_the_same_few_images(scale, few):
    (panel,) = plan(ROOT / "suites" / "extra" / "modern.yaml", scale, Options(only=("modern",), seeds=1)).panels
    attacks = {(w.attack, w.restarts, w.few_images, w.test_images) for t in panel.trials for w in t.measurements}
    assert attacks == {(n, r, True, few) for n, r in (("pgd7", 1), ("pgd50", 10), ("cw50", 10), ("autoattack", 1))}
    lambdas = (0.0, 0.3, 1.0) if scale in ("smoke", "laptop") else S1
    assert {t.recipe.lam for t in panel.trials} == {None, *lambdas}
    for trial in panel.trials:
        assert {w.lambdas for w in trial.measurements} == {lambdas if trial.recipe.lam is None else (trial.recipe.lam,)}


def test_continuous_sampling_takes_a_tenth_more_epochs_and_as_many_as_s1(paper):
    recipes = [t.recipe for suite_plan in paper for t in suite_plan.trials if t.recipe.lam_density != "set"]
    expected = {("continuous", 88), ("continuous", 80), ("continuous-low", 80)}
    assert {(r.lam_density, r.epochs) for r in recipes} == expected
    assert {(r.dataset, r.lambdas) for r in recipes} == {("svhn", S1)}


@pytest.mark.parametrize("scale", ["smoke", "laptop", "workstation", "short", "paper"])
@pytest.mark.parametrize("path", [*SUITES, PEERS, SUCCESSORS], ids=lambda path: path.stem)
def test_every_suite_fits_every_scale(path, scale):
    suite_plan = plan(path, scale, Options(seeds=1))
    for panel in suite_plan.panels:
        labels = curve_labels(panel)
        curves = Counter((label, t.recipe.lam, t.recipe.lr) for label, t in zip(labels, panel.trials, strict=True))
        assert set(curves.values()) == {1}  # two networks of one curve, λ and seed would be drawn as seeds of one


@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_the_peers_share_all_but_their_own_networks_with_figure_4(scale):
    options = Options(seeds=1)
    peers, frontiers = plan(PEERS, scale, options), plan(ROOT / "suites" / "frontiers.yaml", scale, options)
    measured = {trial.key: trial.measurements for trial in frontiers.trials}
    own = Counter(trial.recipe.label for trial in peers.trials if trial.key not in measured)
    assert own.keys() == {"OAT TRADES (dual BN)", "OAT (dual-affine BN)"} and len(set(own.values())) == 1
    assert all(set(trial.measurements) <= set(measured.get(trial.key, trial.measurements)) for trial in peers.trials)
    assert {panel.figures for panel in peers.panels} == {("peers",), ("peers", "trades")}


def test_the_successors_add_only_their_own_networks_and_those_of_their_ledger_rows():
    options = Options(seeds=1)
    successors = plan(SUCCESSORS, "laptop", options)
    paths = [ROOT / "suites" / f"{name}.yaml" for name in ("frontiers", "slimming")]
    known = {trial.key for path in paths for trial in plan(path, "laptop", options).trials}
    own = Counter(trial.recipe.label for trial in successors.trials if trial.key not in known)
    assert own == {"OAT TRADES (dual BN)": 1, "OAT MMA (dual BN)": 1, "FLOAT (dual BN)": 5, "OATS SOL (dual BN)": 1}
    float_trials = [trial for trial in successors.trials if trial.recipe.method == "float"]
    assert {trial.recipe.lambdas for trial in float_trials} == {(0, 1)}
    assert {m.lambdas for trial in float_trials for m in trial.measurements} == {S1}


@pytest.mark.parametrize("scale", ["laptop", "workstation", "paper"])
def test_precision_is_all_that_the_two_networks_differ_in(scale):
    precision_plan = plan(PEERS.with_name("precision.yaml"), scale, Options(seeds=1))
    for panel in precision_plan.panels:
        by_lr: dict[float, list] = {}
        for trial in panel.trials:
            by_lr.setdefault(trial.recipe.lr, []).append(trial.recipe)
        for fp32, bf16 in by_lr.values():
            assert fp32.precision == "fp32" and fp32.model_copy(update={"precision": "bf16"}) == bf16


def test_the_peers_are_run_when_asked_for_alone():
    def commands(target: str) -> str:
        return subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "suites/frontiers.yaml" in commands("reproduce-all") and "peers" not in commands("reproduce-all")
    assert "run suites/extra/peers.yaml --scale laptop" in commands("reproduce-peers")
