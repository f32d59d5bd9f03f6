"""Figure `dials`: a curve per blend, what each costs, and claims that are not the paper's."""

import json

import pytest

from bench import ROOT
from bench.run.plan_files import describe_panel, write_plan
from bench.spec.expand import Options, plan
from bench.spec.registry import BLENDS
from reports.claims import judge, schema
from reports.claims.verdict_rule import INCONCLUSIVE, REPRODUCED
from reports.figures import FIGURES
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.page import report_pages
from reports.statistics.curves import curves
from tests.reports import claims_world

DIALS, DIALS_AUTOATTACK = FIGURES["dials"], FIGURES["dials-autoattack"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Runs directory with all networks of the suite at laptop scale, two seeds; conditional ones are the better."""
    runs = tmp_path_factory.mktemp("dials")
    planned = plan(ROOT / "suites" / "extra" / "dials.yaml", "laptop", Options(seeds=2))
    write_plan(planned, runs, "python -m bench run suites/extra/dials.yaml --seeds 2")
    rng = claims_world.np.random.default_rng(0)
    for trial in planned.trials:
        label = trial.recipe.label if trial.recipe.norm == "dual" else "PGD-AT"
        claims_world.finish(runs, trial, label, 1000, 0.05, rng)
    return runs, load_view(read_plans(runs)[0], runs, "dials", "laptop", DIALS.keep)


def test_a_curve_per_blend_at_every_alpha(finished):
    _, view = finished
    (panel,) = view.panels
    table = curves(panel)
    assert panel.missing_text == ""
    for blend in BLENDS.values():
        assert len(table[table.label == blend.label].dropna(subset="sa")) == 14
    assert table[table.label == "PGD-AT"].lam.tolist() == [1.0, 0.4, 0.3, 0.2, 0.1, 0.0]
    assert "λ is α" in DIALS.caption(view)


def test_the_cost_stands_beside_each(finished):
    _, view = finished
    rows = {row["Method"]: row for row in DIALS.summary(view)[-1]["rows"]}
    frontier, mixed, tuned, bn = (
        rows[name] for name in ("PGD-AT", "mixed logits", "interpolated weights", "interpolated BN")
    )
    assert [row["networks"] for row in (frontier, mixed, tuned, bn)] == ["6", "2", "2", "1"]
    assert frontier["of PGD-AT's"] == "1.00" and mixed["of PGD-AT's"] == "0.33" and bn["of PGD-AT's"] == "0.17"
    assert mixed["a pass of one image, MACs"] == "2e+06" and tuned["a pass of one image, MACs"] == "1e+06"
    assert frontier["weights in memory, kB"] == "511,200"  # 6 networks of 21.3 million fp32 numbers
    assert mixed["weights in memory, kB"] == "170,400"


def test_its_claims_are_judged_beside_the_papers(finished):
    runs, _ = finished
    plans = read_plans(runs)[0]
    judge.write(plans, runs, runs, {"dials": "laptop"})
    page = json.loads((runs / "claims.json").read_text("utf-8"))
    assert [claim["id"] for claim in page["claims"]] == list(range(1, 22))
    own = {claim["id"]: claim for claim in page["own_claims"]}
    assert [id for id, claim in own.items() if claim["verdict"] == REPRODUCED] == [101, 102, 104]
    assert own[103]["verdict"] == INCONCLUSIVE  # dual BN without FiLM is as good as OAT here
    assert len(own[101]["parts"][0]["checks"]) == 3
    report_pages.write_pages(runs)
    for name in ("index.html", "README.md"):
        text = (runs / name).read_text("utf-8")
        assert "Not in the paper: claims of this suite" in text and "OAT lies beyond interpolated weights" in text


def test_under_autoattack_the_mixture_has_a_curve_and_a_claim(tmp_path):
    planned = plan(ROOT / "suites" / "extra" / "modern.yaml", "laptop", Options(seeds=2, only=("mixed_svhn",)))
    write_plan(planned, tmp_path, "python -m bench run suites/extra/modern.yaml --only mixed_svhn")
    rng = claims_world.np.random.default_rng(0)
    for trial in planned.trials:
        claims_world.finish(
            tmp_path, trial, trial.recipe.label if trial.recipe.norm == "dual" else "PGD-AT", 64, 0.5, rng
        )
    plans = read_plans(tmp_path)[0]
    view = load_view(plans, tmp_path, "dials-autoattack", "laptop", DIALS_AUTOATTACK.keep)
    table = curves(view.panels[0]).dropna(subset="sa")
    for label in ("OAT (dual BN)", "mixed probabilities"):
        assert table[table.label == label].lam.tolist() == [1.0, 0.9, 0.8, 0.7, 0.5, 0.1, 0.0]
    assert table[table.label == "PGD-AT"].lam.tolist() == [1.0, 0.4, 0.3, 0.2, 0.1, 0.0]  # few_lambdas leave the list
    assert "AutoAttack, ε = 0.15, 64 test images" in DIALS_AUTOATTACK.caption(view)
    judge.write(plans, tmp_path, tmp_path, {"dials-autoattack": "laptop"})
    (claim,) = json.loads((tmp_path / "claims.json").read_text("utf-8"))["own_claims"]
    (line,) = claim["parts"][0]["checks"][0]["told"]
    assert claim["id"] == 105 and line["what"].startswith("OAT (dual BN) − mixed probabilities")
    assert line["interval"]["value"] > 0


def test_they_are_claims_about_what_the_suite_measures():
    labels = {
        entry["label"]
        for panel in plan(ROOT / "suites" / "extra" / "dials.yaml", "laptop", Options(seeds=1)).panels
        for entry in describe_panel(panel)["trials"]
    }
    for claim in schema.load(judge.OWN_FILE, FIGURES):
        assert claim.id > 100
        for check in claim.checks:
            assert {check.args.label, check.args.frontier} <= labels
