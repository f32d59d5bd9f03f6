"""What a suite's entries may say beyond Figure 4's: labels, relative epochs, sets of λ, widths, and other probes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import ROOT
from bench.errors import BadInput
from bench.run.curve_labels import curve_labels
from bench.run.execution_plan import ExecutionPlan
from bench.run.request import Request
from bench.spec.expand import Options, plan
from bench.spec.lambda_sets import S1, S2, S3, S4

SMOKE = (ROOT / "suites" / "scales" / "smoke.yaml").read_text()
SUITE = """\
suite: mine
about: a test
experiments:
  one:
    figures: []
    dataset: cifar10
    networks:
      - {NETWORK}
      - {method: pgd_at, lam: 0.4, widths: [0.5, 1]}
    measure:
      - {MEASURE}
"""
OATS = "method: oat, norm: dual, lambdas: S1, encoding: ro-16, widths: [0.5, 1]"
PGD7 = "attack: pgd7, lambdas: S1"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Plans SUITE with this network and measurement, at smoke scale or this one, in the working directory."""
    monkeypatch.chdir(tmp_path)

    def of(network=OATS, measure=PGD7, *texts, scale=SMOKE):
        Path("suite.yaml").write_text(SUITE.replace("NETWORK", network).replace("MEASURE", measure))
        Path("scale.yaml").write_text(scale)
        return plan(Path("suite.yaml"), "scale.yaml", Options(settings=texts, seeds=1, root=tmp_path)).panels[0]

    return of


# --- measurements


def test_attacks_start_at_points_of_the_recipe_s_seed(tmp_path):
    """All networks of a seed are attacked from the same points, those of other seeds from others; seed 0 as ever."""
    names = ("frontiers", "attacks", "masking", "extra/modern", "saliency", "ablations")
    suites = [ROOT / "suites" / f"{name}.yaml" for name in names]
    trials = [t for path in suites for t in plan(path, "laptop", Options(seeds=3, root=tmp_path)).trials]
    attacked = {(t.recipe.seed, m.seed) for t in trials for m in t.measurements if m.epsilon}
    others = {m.seed for t in trials for m in t.measurements if not m.epsilon}
    assert attacked == {(0, 0), (1, 1), (2, 2)} and others == {0}
    assert {m.probe for t in trials for m in t.measurements if m.seed == 2} == {"accuracy", "masking", "transfer"}


def asked(panel, number=0) -> list:
    return list(panel.trials[number].measurements)


def test_each_width_is_a_measurement(written):
    panel = written(measure=PGD7 + ", widths: [1, 0.5]")
    assert [measurement.width for measurement in asked(panel)] == [1.0, 0.5]
    assert {measurement.lambdas for measurement in asked(panel)} == {S1}
    assert {measurement.lambdas for measurement in asked(panel, 1)} == {(0.4,)}  # PGD-AT at its own λ only


def test_without_widths_the_whole_network_is_measured(written):
    assert [measurement.width for measurement in asked(written())] == [1.0]


def test_an_attack_may_be_changed(written):
    measure = "attack: pgd7, lambdas: S1, steps: 50, restarts: 10, start: image, targeted: true, epsilon: 8/255"
    (measurement,) = asked(written(measure=measure))
    assert (measurement.steps, measurement.restarts, measurement.start, measurement.targeted) == (50, 10, "image", True)
    assert measurement.epsilon == pytest.approx(8 / 255) and measurement.step == pytest.approx(2 / 255)
    assert measurement.attack_label == "pgd7-50steps-image-r10-targeted"


def test_few_images_are_the_scale_s_and_have_a_key_of_their_own(written):
    few = [asked(written(measure=f"{PGD7}, few_images: {which}"))[0] for which in ("true", "false")]
    assert [(measurement.test_images, measurement.few_images) for measurement in few] == [(64, True), (None, False)]
    assert few[1].key == asked(written())[0].key  # what was measured before stays so
    scale = SMOKE.replace("few_images: 64", "").replace("few_lambdas:", "#")
    assert asked(written(measure=f"{PGD7}, few_images: true", scale=scale))[0].key == few[1].key


def test_few_lambdas_narrow_what_asks_for_few_images_and_leave_out_networks_of_another(written):
    measure = f"{PGD7}, few_images: true"
    panel = written(measure=measure)  # the smoke's: 0, 0.3, 1; the other network is PGD-AT of 0.4
    assert [[m.lambdas for m in trial.measurements] for trial in panel.trials] == [[(0.0, 0.3, 1.0)]]
    assert [measurement.lambdas for measurement in asked(written(measure=PGD7))] == [S1]
    listed = written(measure="attack: pgd7, lambdas: [0, 0.9], few_images: true")  # a list stays as it is
    assert [asked(listed, i)[0].lambdas for i in (0, 1)] == [(0.0, 0.9), (0.4,)]
    other = SMOKE.replace("few_lambdas: [0, 0.3, 1]", "few_lambdas: [0.4]")
    assert [asked(written(measure=measure, scale=other), i)[0].lambdas for i in (0, 1)] == [(0.4,), (0.4,)]
    with pytest.raises(BadInput, match=r"^scale.yaml:\d+: few_lambdas: \[0.5\] has no λ that one measures"):
        written(measure=measure, scale=SMOKE.replace("few_lambdas: [0, 0.3, 1]", "few_lambdas: [0.5]"))


def test_an_attack_whose_package_is_absent_is_said_where_it_is_asked_for(written, monkeypatch):
    monkeypatch.setattr("bench.spec.autoattack_package.package", lambda: None)
    written()
    with pytest.raises(BadInput, match=r"^suite.yaml:11: autoattack needs a package .*pip install .*$"):
        written(measure="attack: autoattack")
    suite = ROOT / "suites" / "extra" / "modern.yaml"
    assert plan(suite, "smoke", Options(only=("transfer_svhn",), seeds=1)).panels  # needs none


def test_the_authors_step_is_of_the_steps_that_are_made(written):
    for steps, measure in ((7, PGD7), (20, "attack: pgd20"), (50, "steps: 50"), (10, "attack: mifgsm")):
        (measurement,) = asked(written(OATS, measure, "step_rule=authors", "attack_steps=3"))
        assert measurement.step == pytest.approx((0.3 + 4 / 255) / steps)


@pytest.mark.parametrize("probe", ["bn_statistics", "cost"])
def test_a_probe_that_attacks_nothing_has_one_key_whatever_the_attack(probe, written):
    panels = [written(measure=f"probe: {probe}{more}") for more in ("", ", attack: pgd20", ", lambdas: S2")]
    assert len({measurement.key for panel in panels for number in (0, 1) for measurement in asked(panel, number)}) == 1


def test_saliency_has_its_lambdas_and_images(written):
    panel = written(measure="probe: saliency, lambdas: S3, images: [5, 3], widths: [0.5]")
    (measurement,) = asked(panel)
    assert (measurement.probe, measurement.lambdas) == ("saliency", S3)
    assert (measurement.images, measurement.width) == ((5, 3), 0.5)
    assert asked(panel, 1)[0].lambdas == (0.4,)


def test_sets_of_lambda_are_added_and_taken_away(written):
    assert asked(written(measure="lambdas: S2+S3-S1"))[0].lambdas == tuple(sorted({*S2, *S3} - {*S1}))
    panel = written("method: oat, lambdas: S1 - S4 + S3, encoding: ro-16, widths: [0.5, 1]")
    assert panel.trials[0].recipe.lambdas == tuple(sorted({*S3} | {*S1} - {*S4}))
    panel = written("method: pgd_at, lam: S2-S1, widths: [0.5, 1]")
    assert [trial.recipe.lam for trial in panel.trials] == [0.6, 0.8, 0.4]


# --- labels and epochs


def test_a_label_names_the_curve_and_is_no_part_of_the_network(written):
    plain, labelled = written(), written(f"label: mine, {OATS}")
    assert [t.key for t in plain.trials] == [t.key for t in labelled.trials]
    assert curve_labels(plain) == ["OATS (dual BN)", "PGD-ATS"]
    assert curve_labels(labelled) == ["mine", "PGD-ATS"]


@pytest.mark.parametrize(
    ("given", "texts", "epochs"),
    [
        ("+10%", (), 17),  # of the scale's 15: 16.5 epochs are 17
        ("+ 100 %", (), 30),
        ("+1%", (), 16),  # rounded up
        ("+10%", ("epochs=30",), 33),
        ("40", (), 40),
        ("40", ("epochs=30",), 30),
    ],
)
def test_epochs_may_be_relative_to_the_scale_s(given, texts, epochs, written):
    panel = written(f"{OATS}, epochs: {given}", PGD7, *texts)
    assert panel.trials[0].recipe.epochs == epochs
    assert panel.trials[1].recipe.epochs == (30 if texts else 15)


def test_epochs_relative_to_the_data_set_s(written):
    scale = SMOKE.replace("cifar10: {source: digits}", "cifar10: {source: digits, epochs: 200}")
    assert written(f"{OATS}, epochs: +10%", scale=scale).trials[0].recipe.epochs == 220


# --- bad input

WRONG = {  # network, measurement, and what is said
    "fgsm's steps": (OATS, "attack: fgsm, steps: 3", "suite.yaml:11: fgsm takes no steps: leave that out"),
    "AutoAttack's": (
        OATS,
        "attack: autoattack, start: image, restarts: 2",
        "autoattack takes no start and no restarts",
    ),
    "probe": (OATS, "probe: saliancy", "suite.yaml:11: unknown probe 'saliancy', did you mean 'saliency'?"),
    "width measured": (OATS, f"{PGD7}, widths: [0.25]", "suite.yaml:8: a width of 0.25 is measured, but the network"),
    "no width": (OATS, f"{PGD7}, widths: []", "suite.yaml:11: experiments.one.measure.0.widths: List should have"),
    "unslimmed": (
        "method: oat, lambdas: S1",
        f"{PGD7}, widths: [0.5]",
        "suite.yaml:8: a width of 0.5 is measured, but the network has [1.0]",
    ),
    "widths": (OATS.replace("[0.5, 1]", "[1, 0.5]"), PGD7, "suite.yaml:8: widths must be distinct"),
    "width's type": (OATS.replace("[0.5, 1]", "[0.5, x]"), PGD7, "suite.yaml:8: widths.1: Input should be a valid"),
    "set": (
        f"{OATS}, lambdas: S1+S9".replace("lambdas: S1, ", ""),
        PGD7,
        "suite.yaml:8: unknown λ set 'S9' (allowed: S1, S2",
    ),
    "set's sign": (OATS, "lambdas: S1+", "suite.yaml:11: experiments.one.measure.0.lambdas: unknown λ set ''"),
    "empty set": (OATS, "lambdas: S1-S2", "suite.yaml:11: experiments.one.measure.0.lambdas: no λ is left of S1-S2"),
    "no λ to train": ("method: pgd_at, lam: S1-S1", PGD7, "suite.yaml:8: lam: at least one value is expected"),
    "epochs": (f"{OATS}, epochs: +x%", PGD7, "suite.yaml:8: epochs: Input should be a valid integer"),
    "restarts": (OATS, "restarts: 0", "suite.yaml:11: experiments.one.measure.0.restarts: Input should be greater"),
    "start": (OATS, "start: zero", "suite.yaml:11: unknown value for experiments.one.measure.0.start: 'zero'"),
    "steps": (OATS, "steps: many", "suite.yaml:11: experiments.one.measure.0.steps: Input should be a valid integer"),
    "image": (OATS, "probe: saliency, images: [-1]", "suite.yaml:11: experiments.one.measure.0.images.0: Input"),
    "ε's sign": (OATS, "epsilon: -8/255", "suite.yaml:11: epsilon: a number in (0,1] or 8/255, not '-8/255'"),
    "ε of pixels": (OATS, "epsilon: 8", "suite.yaml:11: epsilon: a number in (0,1] or 8/255, not 8.0"),
    "no ε": (OATS, "epsilon: 0", "suite.yaml:11: epsilon: a number in (0,1] or 8/255, not 0.0"),
    "density": (f"{OATS}, lam_density: continous", PGD7, "suite.yaml:8: unknown value for lam_density: 'continous', d"),
    "density of one λ": ("method: pgd_at, lam: 1, lam_density: continuous", PGD7, "suite.yaml:8: lam_density belongs"),
    "λ of labels": (f"labl: x, {OATS}", PGD7, "suite.yaml:8: unknown field 'labl', did you mean 'label'?"),
}


def complaint(call, *arguments, **named) -> str:
    with pytest.raises(BadInput) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("network", "measure", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_entry_is_one_line_with_its_place(network, measure, said, written):
    assert said in complaint(written, network, measure)


def test_relative_epochs_need_epochs_to_be_relative_to(written):
    relative = f"{OATS}, epochs: +10%"
    said = complaint(written, relative, PGD7, scale=SMOKE.replace("  epochs: 15\n", ""))
    assert said.startswith("suite.yaml:8: epochs: +10% needs a number of epochs in the scale, not None")
    said = complaint(written, relative, PGD7, "epochs=[10, 20]")
    assert said.startswith("--set epochs=[10, 20]: epochs: +10% needs a number of epochs")


FIELDS = ["probe", "attack", "lambdas", "widths", "epsilon", "steps", "start", "restarts", "targeted", "images"]
OF_NETWORKS = ["label", "epochs", "widths", "lam_density", "lambdas", "lam", "method", "norm", "protocol"]
VALUES = [
    "[]",
    "{}",
    "null",
    "0",
    "-1",
    "1e999",
    ".nan",
    "[1, 2]",
    "[0.5, 1]",
    "{a: b}",
    "''",
    "yes",
    "S1-S1",
    "+",
    "-",
]
VALUES += ["S1+S9", "+10%", "+-1%", "+999999%", "saliency", "cost", "fgsm", "image", "8/255", "8/0", "2020-01-01", "é"]


@settings(max_examples=150, deadline=None)
@given(
    network=st.lists(st.tuples(st.sampled_from(OF_NETWORKS), st.sampled_from(VALUES)), max_size=2),
    measure=st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES)), max_size=3),
)
def test_no_entry_whatever_raises_anything_else(network, measure, written):
    fields = {"method": "oat", "lambdas": "S1", "encoding": "ro-16", "widths": "[0.5, 1]"} | dict(network)
    texts = (", ".join(f"{name}: {value}" for name, value in entry.items()) for entry in (fields, dict(measure)))
    try:
        written(*texts)
    except BadInput as error:
        assert "\n" not in str(error)


# --- signs of masking, and transfer between λ


def test_examples_are_borrowed_from_the_pgd_at_network_that_is_trained_alike(written):
    panel = written(measure="probe: masking, lambdas: [0, 1]")
    own, lent = asked(panel)
    assert own.surrogate is None and lent == own.model_copy(update={"surrogate": panel.trials[1].key})
    assert (own.lambdas, own.epsilon, own.step, own.test_images) == ((0.0, 1.0), 0.3, 0.075, 100)
    assert [measurement.surrogate for measurement in asked(panel, 1)] == [None]  # the lender itself waits for none
    narrowed = written(measure="probe: masking, lambdas: S1")  # by the smoke's few_lambdas, but for PGD-AT's own
    assert [asked(narrowed, i)[0].lambdas for i in (0, 1)] == [(0.0, 0.3, 1.0), (0.4,)]
    other = OATS.replace("[0.5, 1]", "[0.25, 1]")
    assert [measurement.surrogate for measurement in asked(written(other, "probe: masking, lambdas: [0, 1]"))] == [None]


def test_a_lender_has_the_largest_lambda_and_is_run_first(tmp_path):
    request = Request((ROOT / "suites" / "masking.yaml",), "smoke", ("svhn",), (), 2, (), tmp_path, tmp_path, 1, None)
    plan = ExecutionPlan.of(request)
    for trial in plan.trials:
        lent = {measurement.surrogate for measurement in trial.measurements} - {None}
        lenders = {t.key for t in plan.trials if t.recipe.lam == 1 and t.recipe.seed == trial.recipe.seed}
        assert lent == (set() if trial.key in lenders else lenders)
    assert [trial.recipe.lam for trial in plan.remaining].index(1.0) == 0 and plan.remaining[1].recipe.lam == 1
    assert plan.remaining[2].recipe.method == "oat"


def test_transfer_is_not_offered_for_pgd_at(written):
    with pytest.raises(BadInput, match="^suite.yaml:9: probe: transfer crafts at other λ, and pgd_at has one"):
        written(measure="probe: transfer, lambdas: S1")
