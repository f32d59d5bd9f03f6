"""Blends in a suite: their ends, the networks that they share with Figure 4, and what is refused."""

import pytest

from bench import ROOT
from bench.errors import BadInput
from bench.run.cost_estimate import CostEstimator
from bench.run.execution_plan import ExecutionPlan
from bench.run.plan_files import describe_panel
from bench.run.request import Request
from bench.spec.blends import other_end
from bench.spec.costs import accuracy
from bench.spec.expand import Options, plan
from bench.spec.lambda_sets import S1, S2, S3
from bench.spec.measurement import Measurement
from bench.spec.registry import BLENDS
from tests.recipes import oat, pgd_at

DIALS = ROOT / "suites" / "extra" / "dials.yaml"


@pytest.fixture(scope="module")
def dials():
    return plan(DIALS, "laptop", Options(seeds=2, only=("svhn",)))


def test_only_the_networks_that_figure_4_lacks_are_trained(dials):
    frontiers = plan(ROOT / "suites" / "frontiers.yaml", "laptop", Options(seeds=2, only=("svhn",)))
    known = {trial.key for trial in frontiers.trials}
    own = [trial.recipe for trial in dials.trials if trial.key not in known]
    assert len(own) == 2 * (1 + 1 + 6)  # fine-tuned, dual BN without FiLM, six averaged PGD-AT
    assert {recipe.ema for recipe in own} == {0.0, 0.995}
    assert [
        sum(recipe.tuned_from == 0 for recipe in own),
        sum(recipe.norm == "dual-without-film" for recipe in own),
    ] == [2, 2]


def test_the_other_end_is_of_the_same_seed_and_in_the_plan(dials):
    by_key = {trial.key: trial.recipe for trial in dials.trials}
    blends = [(trial.recipe, m) for trial in dials.trials for m in trial.measurements if m.blend]
    assert {m.blend for _, m in blends} == set(BLENDS)
    for recipe, measurement in blends:
        if measurement.blend == "bn":
            assert measurement.surrogate is None
            continue
        other = by_key[measurement.surrogate]
        lams = (recipe.lam, other.lam)
        assert lams == ((1.0, 0.0) if measurement.blend == "weights" else (0.0, 1.0))
        assert (other.seed, other.lr, other.tuned_from) == (recipe.seed, recipe.lr, None)
        assert measurement.seed == recipe.seed
    alphas = {alpha for _, m in blends if m.blend == "logits" for alpha in m.lambdas}
    assert alphas == {*S1, *S2, *S3}


def test_each_blend_is_a_curve_of_its_own_in_the_plan_file(dials):
    entries = describe_panel(dials.panels[0])["trials"]
    labels = {(entry["label"], entry.get("blend")) for entry in entries}
    plain = {"PGD-AT", "OAT (dual BN)", "PGD-AT, averaged weights"}
    assert labels == {(label, None) for label in plain} | {(blend.label, name) for name, blend in BLENDS.items()}
    blended = [entry for entry in entries if entry.get("blend")]
    assert len(blended) == 5 * 2 and all(entry["lam"] is None for entry in blended)
    assert all(len(entry["measurements"]) == 3 for entry in blended)  # two sets of α, and the cost of the network
    own = {key for entry in entries if not entry.get("blend") for key in entry["measurements"]}
    by_blend = [set(entry["measurements"]) - own for entry in blended if entry["seed"] == 0]
    assert all(len(keys) == 2 for keys in by_blend) and len(set.union(*by_blend)) == 10


SUITE = """
suite: mine
about: a test
experiments:
  mine:
    figures: []
    dataset: svhn
    networks:
      - NETWORK
    measure:
      - {attack: pgd7, lambdas: S1}
"""


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("{blend: [logits], method: pgd_at, lam: 0}", "unknown blend"),
        ("{blend: probability, method: pgd_at, lam: 0}", "unknown blend 'probability', did you mean 'probabilities'?"),
        ("{blend: logits, method: pgd_at, lam: 1}", "blend: output mixing takes {method: pgd_at, lam: 0}"),
        ("{blend: weights, method: pgd_at, lam: 1}", "blend: weight interpolation takes a network with tuned_from"),
        ("{blend: bn, method: oat, norm: dual, lambdas: S1}", "interpolated BN takes a network with norm: dual-"),
        ("{blend: logits, method: pgd_at, lam: 0}", "needs another network: add {method: pgd_at, lam: 1}"),
        (
            "{method: pgd_at, lam: 1, tuned_from: 0, tuning_lr: 0.1}",
            "needs another network: add {method: pgd_at, lam: 0",
        ),
    ],
)
def test_what_has_no_other_end_is_refused(tmp_path, network, message):
    (tmp_path / "mine.yaml").write_text(SUITE.replace("NETWORK", network))
    with pytest.raises(BadInput) as error:
        plan(tmp_path / "mine.yaml", "laptop", Options(seeds=1))
    assert message in str(error.value) and "mine.yaml:" in str(error.value)


def test_networks_and_measurements_of_earlier_versions_keep_their_keys():
    assert pgd_at(1.0, tuned_from=0.0, tuning_lr=0.01, ema=0.5).start == pgd_at(0.0)
    for field in ("tuned_from", "tuning_lr", "ema"):
        assert field not in pgd_at(1.0).canonical()
    assert "blend" not in Measurement(epsilon=0.1, step=0.1, lambdas=(0.0,)).canonical()
    assert other_end("probabilities", pgd_at(0.0, seed=3)) == pgd_at(1.0, seed=3)
    assert oat("dual-without-film").key != oat("dual").key


def test_a_mixture_costs_two_networks_and_its_attacks():
    measurement = Measurement(epsilon=0.1, step=0.1, lambdas=S1)
    alone = accuracy(measurement, pgd_at(0.0), 10)
    mixed = accuracy(measurement.model_copy(update={"blend": "mixednuts"}), pgd_at(0.0), 10)
    assert alone == 2 * 7 + 2 and mixed == pytest.approx(2 * 2.1 * alone)


def test_the_ends_are_trained_first(tmp_path, monkeypatch):
    """λ=1, which takes no other network, before λ=0, whose blends take it; then the fine-tuned one and the others."""
    monkeypatch.setattr(CostEstimator, "trial_cost", lambda self, trial, *_: {"seconds_left": len(trial.measurements)})
    request = Request((DIALS,), "laptop", ("svhn",), (), 1, (), tmp_path, tmp_path, 1, None)
    order = [trial.recipe for trial in ExecutionPlan.of(request).remaining]
    assert [(recipe.lam, recipe.tuned_from, recipe.ema) for recipe in order[:2]] == [(1.0, None, 0.0), (0.0, None, 0.0)]
    assert len(order) == 6 + 1 + 1 + 1 + 6
