"""Suites × scales: exactly the paper's networks, and a helpful line for everything wrong."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import ROOT
from bench.data import DataError
from bench.errors import BadInput
from bench.spec.expand import Options, plan
from bench.spec.lambda_sets import S1
from bench.spec.protocol_ledger import NOISE_ROWS, PROTOCOLS, Protocol

FRONTIERS = ROOT / "suites" / "frontiers.yaml"
SMOKE = (ROOT / "suites" / "scales" / "smoke.yaml").read_text()


def smoke(*texts: str, **options):
    return plan(FRONTIERS, "smoke", Options(settings=texts, **options))


# --- the paper's networks


@pytest.fixture(scope="module")
def paper():
    return plan(FRONTIERS, "paper", Options(seeds=1))


def test_the_paper_is_24_networks_times_three_learning_rates(paper):
    kinds = Counter((t.recipe.lr, t.recipe.method, t.recipe.norm) for t in paper.trials)
    for lr in (0.1, 0.05, 0.01):
        assert kinds[lr, "pgd_at", "normal"] == 18
        assert kinds[lr, "oat", "normal"] == kinds[lr, "oat", "dual"] == 3
    assert len(paper.trials) == 72 and {t.recipe.seed for t in paper.trials} == {0}


def test_the_paper_s_architecture_and_epochs_per_data_set(paper):
    combinations = {(t.recipe.dataset, t.recipe.arch, t.recipe.epochs) for t in paper.trials}
    assert combinations == {("svhn", "wrn-16-8", 80), ("cifar10", "resnet34", 200), ("stl10", "wrn-40-2", 200)}


def test_the_paper_s_training(paper):
    for recipe in (trial.recipe for trial in paper.trials):
        assert recipe.epsilon == pytest.approx(8 / 255) and recipe.attack_step() == pytest.approx(2 / 255)
        assert (recipe.attack_steps, recipe.batch, recipe.schedule) == (7, 128, "cosine")
        assert (recipe.momentum, recipe.weight_decay, recipe.dropout) == (0.9, 5e-4, 0.3)
        assert recipe.train_images is None and recipe.protocol == Protocol()
        assert recipe.lambdas == (() if recipe.method == "pgd_at" else S1)
        assert recipe.encoding == ("none" if recipe.method == "pgd_at" else "ro-128")


def test_the_ledger_s_augmentation_and_held_out_images(paper):
    combinations = {(t.recipe.dataset, t.recipe.augment, t.recipe.heldout) for t in paper.trials}
    assert combinations == {("svhn", "none", 5000), ("cifar10", "crop-flip", 5000), ("stl10", "crop-flip", 500)}


def test_everything_is_measured_under_pgd7_with_the_paper_s_step(paper):
    for trial in paper.trials:
        (measurement,) = (measurement for measurement in trial.measurements if measurement.probe == "accuracy")
        assert (measurement.attack, measurement.test_images) == ("pgd7", None)
        assert (measurement.epsilon, measurement.step) == (pytest.approx(8 / 255), pytest.approx(2 / 255))
        assert measurement.lambdas == (S1 if trial.recipe.method == "oat" else (trial.recipe.lam,))


def test_each_panel_draws_figures_4_and_8(paper):
    assert [(p.stands_for, p.figures, len(p.trials)) for p in paper.panels] == [
        (name, ("fig4", "fig8"), 24) for name in ("svhn", "cifar10", "stl10")
    ]


def test_the_smoke_scale_s_three_panels_share_24_trials():
    frontiers = smoke()
    assert [len(panel.trials) for panel in frontiers.panels] == [24] * 3
    assert len(frontiers.trials) == 24 == len({trial.key for trial in frontiers.trials})
    assert Counter(t.recipe.seed for t in frontiers.trials) == {0: 8, 1: 8, 2: 8}
    assert {(t.source, t.recipe.arch) for t in frontiers.trials} == {("digits", "wrn-10-1")}


SEEDS = {"smoke": 3, "laptop": 3, "workstation": 3, "workstation-fashion": 3, "short": 3, "paper": 5}


def test_every_scale_has_enough_seeds_for_a_verdict():
    """One seed gives none; with 5 at `paper` most claims can be decided (docs/statistics.md)."""
    scales = sorted(path.stem for path in (ROOT / "suites" / "scales").glob("*.yaml"))
    assert {scale: len({t.recipe.seed for t in plan(FRONTIERS, scale, Options()).trials}) for scale in scales} == SEEDS


def test_the_workstation_cuts_training_and_test_images():
    trials = plan(FRONTIERS, "workstation", Options(seeds=1)).trials
    assert {t.recipe.train_images for t in trials if t.recipe.dataset != "stl10"} == {10_000}
    assert {t.recipe.train_images for t in trials if t.recipe.dataset == "stl10"} == {None}  # it has 5,000
    assert {t.measurements[0].test_images for t in trials} == {1000}


# --- options


def test_only_leaves_the_other_experiments_out():
    assert [panel.experiment for panel in smoke(only=("stl10", "svhn")).panels] == ["stl10", "svhn"]


def test_seeds():
    assert {t.recipe.seed for t in smoke(seeds=5).trials} == set(range(5))


def test_more_seeds_keep_the_keys_of_the_first():
    assert {t.key for t in smoke(seeds=1).trials} < {t.key for t in smoke(seeds=2).trials}


def test_another_source_is_other_data_under_the_same_panel():
    frontiers = plan(FRONTIERS, "workstation", Options(only=("cifar10",), datasets={"cifar10": "digits"}))
    assert frontiers.panels[0].stands_for == "cifar10" and frontiers.panels[0].info.name == "digits"
    assert {(t.source, t.recipe.dataset) for t in frontiers.trials} == {("digits", "digits")}


def test_a_setting_reaches_every_network():
    frontiers = smoke("epochs=3", "epsilon=8/255", "lr=[0.1, 0.2]")
    assert {t.recipe.epochs for t in frontiers.trials} == {3}
    assert {t.measurements[0].epsilon for t in frontiers.trials} == {8 / 255}
    assert Counter(t.recipe.lr for t in frontiers.trials) == {0.1: 24, 0.2: 24}
    assert frontiers.panels[0].overrides == {"epochs": "3", "epsilon": "8/255", "lr": "[0.1, 0.2]"}


def test_auto_precision_is_the_machine_s():
    frontiers = smoke("precision=auto", precision=lambda: "bf16")
    assert {t.recipe.precision for t in frontiers.trials} == {"bf16"}
    assert {t.recipe.precision for t in smoke(precision=lambda: "bf16").trials} == {"fp32"}  # smoke asks for fp32


def test_the_authors_protocol_trains_pgd_at_with_256_images():
    frontiers = plan(FRONTIERS, "paper", Options(seeds=1, settings=("protocol=authors-code",)))
    batches = Counter((t.recipe.method, t.recipe.batch) for t in frontiers.trials)
    assert batches == {("pgd_at", 256): 54, ("oat", 128): 18}
    assert {t.recipe.protocol for t in frontiers.trials if t.recipe.method == "oat"} == {PROTOCOLS["authors-code"]}
    assert {t.recipe.protocol for t in frontiers.trials if t.recipe.method == "pgd_at"} == {
        Protocol(step_rule="authors", selection="each")  # the other rows say nothing of a plain network
    }
    assert {t.measurements[0].step for t in frontiers.trials} == {10 / 255 / 7}


def test_a_batch_that_was_asked_for_stays():
    for order in (("protocol=authors-code", "batch=32"), ("batch=32", "protocol=authors-code")):
        assert {t.recipe.batch for t in smoke(*order).trials} == {32}


def test_the_authors_protocol_but_for_one_row():
    recipes = {t.recipe for t in smoke("protocol=authors-code", "film=paper").trials}
    assert {r.protocol for r in recipes if r.method == "oat"} == {
        PROTOCOLS["authors-code"].model_copy(update={"film": "paper"})
    }
    assert {r.batch for r in recipes if r.method == "pgd_at"} == {256}


ROWS = {
    "step_rule": "authors",
    "lam_sampling": "fixed-zeros",
    "film": "authors",
    "clean_branch": "always-c",
    "selection": "last",
    "unseen": "nearest",
    "attack_bn": "train",
    "attack_lam0": "make",
    "encoding_seed": 3,
    "dct": "unnormalised",
    "film_init": "zero",
    "noise_draw": "each-pass",
    "noise_ra": "lambda-1",
    "noise_attack_lam0": "with-noise",
}


def test_each_row_of_the_ledger_is_set_by_its_own_name():
    assert ROWS.keys() == Protocol.model_fields.keys()
    for name, value in ROWS.items():
        if name in NOISE_ROWS:
            trials = smoke(f"{name}={value}", seeds=1).trials
            assert {t.recipe.protocol for t in trials} == {Protocol()}  # it is of FLOAT alone
            continue
        for prefix in ("", "protocol."):
            trials = smoke(f"{prefix}{name}={value}", seeds=1).trials
            (protocol,) = {t.recipe.protocol for t in trials if t.recipe.method == "oat"}
            assert protocol == Protocol(**{name: value})


def test_pgd7_measures_with_the_step_of_seven_steps():
    """Whatever the steps in training."""
    frontiers = smoke("attack_steps=10", "step_rule=authors")
    (measured,), (trained,) = (
        {t.measurements[0].step for t in frontiers.trials},
        {t.recipe.attack_step() for t in frontiers.trials},
    )
    assert (measured, trained) == pytest.approx(((0.3 + 4 / 255) / 7, (0.3 + 4 / 255) / 10))


# --- merging


SUITE = """\
suite: mine
about: a test
experiments:
  one:
    figures: [fig4]
    dataset: svhn
    networks:
      - {method: oat, lambdas: S1, encoding: ro-16}
    measure:
      - {attack: pgd7, lambdas: S1}
  two:
    figures: [fig5]
    dataset: svhn
    networks:
      - {method: oat, lambdas: S1, encoding: ro-16}
      - {method: pgd_at, lam: [0, 1/2]}
    measure:
      - {attack: pgd7, lambdas: S1}
      - {attack: pgd7, lambdas: [0.15, 0.25]}
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Plans a suite's text, and a scale's, in the working directory."""
    monkeypatch.chdir(tmp_path)

    def of(suite=SUITE, scale=SMOKE, *texts):
        Path("suite.yaml").write_text(suite)
        Path("scale.yaml").write_text(scale)
        return plan(Path("suite.yaml"), "scale.yaml", Options(settings=texts, seeds=1, root=tmp_path))

    return of


def test_a_network_of_two_experiments_is_one_with_both_measurements(written):
    trials = {trial.recipe.method + str(trial.recipe.lam): trial for trial in written().trials}
    assert trials.keys() == {"oatNone", "pgd_at0.0", "pgd_at0.5"}
    grids = [measurement.lambdas for measurement in trials["oatNone"].measurements]
    assert grids == [S1, (0.15, 0.25)]
    assert {measurement.lambdas for measurement in trials["pgd_at0.5"].measurements} == {(0.5,)}
    assert len({measurement.key for measurement in trials["pgd_at0.5"].measurements}) == 1


# --- bad input


def complaint(call, *arguments) -> str:
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


WRONG = {  # what is replaced in SUITE, by what, and what is said
    "field": ("figures: [fig4]", "figure: [fig4]", "suite.yaml:5: unknown field 'figure', did you mean 'figures'?"),
    "suite field": ("about: a test", "abuot: x", "suite.yaml:2: unknown field 'abuot', did you mean 'about'?"),
    "recipe field": ("encoding: ro-16}\n    m", "encodng: x}\n    m", "suite.yaml:8: unknown field 'encodng', did you"),
    "planned field": ("encoding: ro-16}\n    m", "seed: 3}\n    m", "suite.yaml:8: unknown field 'seed'"),
    "data set": ("dataset: svhn\n", "dataset: shvn\n", "suite.yaml:6: unknown data set 'shvn', did you mean 'svhn'?"),
    "attack": ("attack: pgd7", "attack: pdg7", "suite.yaml:10: unknown attack 'pdg7', did you mean 'pgd7'?"),
    "measured set": (
        "lambdas: S1}\n  two",
        "lambdas: SS1}\n  two",
        "suite.yaml:10: experiments.one.measure.0.lambdas: unknown λ set 'SS1', did you",
    ),
    "trained set": ("oat, lambdas: S1", "oat, lambdas: S11", "suite.yaml:8: unknown λ set 'S11', did you mean 'S1'?"),
    "method": ("method: oat", "method: oats", "suite.yaml:8: unknown method 'oats', did you mean 'oat'?"),
    "norm": ("ro-16}\n    m", "ro-16, norm: duel}\n    m", "suite.yaml:8: unknown norm 'duel', did you mean 'dual'?"),
    "value": (
        "ro-16}\n    m",
        "ro-16, augment: crop}\n    m",
        "suite.yaml:8: unknown value for augment: 'crop', did you mean",
    ),
    "kind of encoding": ("encoding: ro-16", "encoding: one-hot", "unknown encoding 'one-hot', did you mean 'onehot'?"),
    "encoding": ("encoding: ro-16", "encoding: ro-5", "suite.yaml:8: encoding 'ro-5' has 5 dimensions for 6 values"),
    "arch": (
        "encoding: ro-16",
        "arch: wrn-11-1",
        "unknown architecture 'wrn-11-1', did you mean 'wrn-10-1'?",
    ),
    "type": ("ro-16}\n    m", "ro-16, epochs: many}\n    m", "suite.yaml:8: epochs: Input should be a valid integer"),
    "protocol": ("ro-16}\n    m", "ro-16, protocol: x}\n    m", "suite.yaml:8: unknown protocol 'x'"),
    "protocol type": (
        "ro-16}\n    m",
        "ro-16, protocol: 5}\n    m",
        "suite.yaml:8: protocol: paper or authors-code or",
    ),
    "protocol row": ("ro-16}\n    m", "ro-16, protocol: {flim: paper}}\n    m", "suite.yaml:8: unknown field 'flim'"),
    "no value": ("ro-16}\n    m", "ro-16, lr: []}\n    m", "suite.yaml:8: lr: at least one value is expected"),
    "no method": ("{method: oat, lambdas: S1", "{lambdas: S1", "suite.yaml:8: field 'method' is missing"),
    "no lambda": (
        "{attack: pgd7, lambdas: S1}\n  two",
        "{lambdas: []}\n  two",
        "suite.yaml:10: experiments.one.measure.0.lambdas: the name of a λ set",
    ),
    "lambda too large": (
        "[0.15, 0.25]",
        "[0.15, 1.5]",
        "suite.yaml:19: experiments.two.measure.1.lambdas: the name of a λ set",
    ),
    "unfit": (
        "{method: oat, lambdas: S1",
        "{method: oat, lam: 0.5",
        "suite.yaml:8: oat takes lambdas (a set), not lam",
    ),
    "networks": ("      - {method: oat, lambdas: S1, encoding: ro-16}\n    m", "      []\n    m", "suite.yaml:7: "),
    "duplicate": ("  two:", "  one:", "suite.yaml:11: 'one' is given twice"),
    "tab": ("    dataset: svhn\n    networks", "\tdataset: svhn\n    networks", "suite.yaml:6: "),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_suite_is_one_line_with_its_place(old, new, said, written):
    assert old in SUITE
    assert said in complaint(written, SUITE.replace(old, new, 1))


WRONG_SCALES = {
    "field": ("seeds: 3", "seed: 3", "scale.yaml:4: unknown field 'seed', did you mean 'seeds'?"),
    "recipe field": ("epochs: 15", "epoch: 15", "scale.yaml:8: unknown field 'epoch', did you mean 'epochs'?"),
    "recipe value": ("epochs: 15", "epochs: none", "scale.yaml:8: epochs: Input should be a valid integer"),
    "negative": ("epsilon: 0.3", "epsilon: -0.3", "scale.yaml:10: epsilon: Input should be greater than 0"),
    "arch": ("arch: wrn-10-1", "arch: vgg", "scale.yaml:7: unknown architecture 'vgg' (allowed: resnet34"),
    "data set's value": ("svhn: {source: digits}", "svhn: {source: digits, batch: 1}", "scale.yaml:15: batch: Input"),
    "source": ("svhn: {source: digits}", "svhn: {source: 5}", "scale.yaml:15: source: a name or path, not 5"),
    "learning rate": ("lr: [0.1]", "lr: [0]", "scale.yaml:5: lr: Input should be greater than 0"),
    "no learning rate": ("lr: [0.1]", "lr: []", "scale.yaml:5: lr: List should have at least 1 item"),
}


@pytest.mark.parametrize(("old", "new", "said"), WRONG_SCALES.values(), ids=WRONG_SCALES)
def test_a_wrong_scale_is_blamed_on_the_scale(old, new, said, written):
    assert old in SMOKE
    assert said in complaint(written, SUITE, SMOKE.replace(old, new, 1))


WRONG_SETTINGS = {
    "epoch=3": "--set epoch=3: unknown field 'epoch', did you mean 'epochs'?",
    "epochs": "--set epochs: field=value is expected",
    "epochs=many": "--set epochs=many: epochs: Input should be a valid integer",
    "film=author": "--set film=author: unknown value for protocol.film: 'author', did you mean 'authors'?",
    "protocol=author": "--set protocol=author: unknown protocol 'author', did you mean 'authors-code'?",
    "arch=resnet": "--set arch=resnet: unknown architecture 'resnet', did you mean 'resnet34'?",
    "encoding=ro-2": "--set encoding=ro-2: encoding 'ro-2' has 2 dimensions",
    "lr=[": "--set lr=[: '[' cannot be read as a value",
    "lr=2020-13-45": "--set lr=2020-13-45: '2020-13-45' cannot be read",
    "seed=1": "--set seed=1: unknown field 'seed'",
    "epochs=": "--set epochs=: epochs: Input should be a valid integer",
}


@pytest.mark.parametrize(("text", "said"), WRONG_SETTINGS.items(), ids=WRONG_SETTINGS)
def test_a_wrong_setting_is_blamed_on_the_setting(text, said, written):
    assert complaint(written, SUITE, SMOKE, text).startswith(said)


def test_unknown_names_in_options():
    assert complaint(plan, FRONTIERS, "labtop", Options()).startswith("--scale: unknown scale 'labtop', did you mean")
    only = Options(only=("cifar",))
    assert complaint(plan, FRONTIERS, "smoke", only).startswith("--only: unknown experiment 'cifar', did you mean")
    datasets = Options(datasets={"cifar": "digits"})
    assert complaint(plan, FRONTIERS, "smoke", datasets).startswith("--dataset: unknown data set 'cifar', did you")


def test_absent_files(tmp_path):
    assert "no.yaml: cannot be read: No such file" in complaint(plan, tmp_path / "no.yaml", "smoke", Options())
    assert "no.yaml: cannot be read" in complaint(plan, FRONTIERS, str(tmp_path / "no.yaml"), Options())
    with pytest.raises(DataError, match="nowhere"):
        plan(FRONTIERS, "smoke", Options(datasets={"svhn": str(tmp_path / "nowhere")}))


# --- fuzz


WORDS = ["[]", "{}", "null", "5", "-1", ".nan", "[1, 2]", "{a: b}", "S9", "1/0", "yes", "''", "&a", "*a", "<<: 1", "\t"]
WORDS += [
    "!!bool x",
    "? [a]",
    "\x00",
    "- ",
    ": ",
    '"',
    "'",
    "#",
    "%",
    "|",
    "é",
    "2020-13-45",
    "lam: 0.5",
    "0x",
    "1e999",
]
LINES = SUITE.splitlines()


@st.composite
def mutated(draw):
    """SUITE with a few tokens replaced, inserted, or cut out, or lines moved."""
    text = SUITE
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 12)))
        word = draw(st.sampled_from([*WORDS, *LINES]) | st.text(st.characters(exclude_categories=("Cs",)), max_size=5))
        text = text[:start] + word + text[stop:]
    return text


@st.composite
def revalued(draw):
    """SUITE with one value replaced: it stays YAML, so that what comes after the parser is tried."""
    words = ["svhn", "oat", "S1}", "ro-16", "pgd7", "[fig4]", "pgd_at", "[0, 1/2]", "[0.15, 0.25]", "a test"]
    words += ["lambdas: S1", "method: oat", "encoding: ro-16", "dataset: svhn", "- {attack: pgd7, lambdas: S1}"]
    return SUITE.replace(draw(st.sampled_from(words)), draw(st.sampled_from(WORDS)), draw(st.integers(1, 2)))


@settings(max_examples=100, deadline=None)
@given(text=mutated() | revalued())
def test_no_suite_whatever_raises_anything_else(text, written):
    try:
        written(text)
    except BadInput as error:
        assert "\n" not in str(error)
    except DataError:
        pass


def keys(**options) -> dict[str, set[str]]:
    """The keys of each method's networks on cifar10 at smoke scale."""
    frontiers = plan(FRONTIERS, "smoke", Options(only=("cifar10",), **options))
    return {method: {t.key for t in frontiers.trials if t.recipe.method == method} for method in ("pgd_at", "oat")}


@pytest.mark.parametrize("setting", ["film=authors", "film_init=zero", "encoding=ro-16", "lam_sampling=fixed-zeros"])
def test_what_only_oat_has_leaves_pgd_at_as_it_is(setting):
    plain, changed = keys(), keys(settings=(setting,))
    assert changed["pgd_at"] == plain["pgd_at"] and not changed["oat"] & plain["oat"]


def test_dropout_is_no_part_of_a_resnet():
    assert keys(settings=("arch=resnet34", "dropout=0.1")) == keys(settings=("arch=resnet34",))
    assert keys(settings=("dropout=0.1",)) != keys()
