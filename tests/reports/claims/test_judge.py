"""Claims judged on whole runs directories, planned as the suites plan them, and the pages that show them."""

import json
import re
import shutil

import pandas as pd
import pytest

from bench.damaged_files import read_sealed, write_sealed
from reports.claims import claim_entries, judge
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_JUDGED, NOT_REPRODUCED, NOT_RUN, ONE_SEED, REPRODUCED
from reports.load.plans import read_plans
from reports.page import report_pages
from tests.reports import claims_world, synthetic
from tests.reports.test_build import Page

OWN = (105,)  # claims of this suite, not of the paper, on what claims_world's suites measure


def judged(runs, out, scale="laptop", figure="fig4") -> dict[int, dict]:
    """Claim id → its entry in claims.json."""
    out.mkdir(exist_ok=True)
    judge.write(read_plans(runs)[0], runs, out, {figure: scale})
    return {claim["id"]: claim for claim in json.loads((out / "claims.json").read_text("utf-8"))["claims"]}


def checks(claim: dict) -> dict[str, str]:
    return {check["name"]: check["verdict"] for part in claim["parts"] for check in part["checks"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Runs directory with every suite finished and all shapes of the paper true, and its claims."""
    runs = tmp_path_factory.mktemp("world")
    claims_world.suites(runs)
    return runs, judged(runs, runs / "report")


@pytest.fixture(scope="module")
def page(world):
    runs, _ = world
    report_pages.write_pages(runs / "report")
    return runs / "report"


def test_a_world_in_which_every_shape_is_true(world):
    """Every label, λ, width, attack and probe in claims.yaml is planned and measured by the suites."""
    _, claims = world
    assert {id: claim["verdict"] for id, claim in claims.items()} == {
        id: NOT_JUDGED if id == 6 else REPRODUCED for id in range(1, 22)
    }
    assert not any(claim["missing"] or claim["commands"] for claim in claims.values())
    assert claims[3]["parts"][0]["on"] == "Fashion-MNIST-8k, WRN-10-1, in place of SVHN, CIFAR-10, and STL-10"
    assert len(claims[11]["parts"]) == 1  # one panel, asked once
    assert claims[11]["figures"] == ["fig10", "fig11", "fig12"]
    assert claims[1]["parts"][0]["note"] == "moderated t over 3 seeds"
    assert claims[1]["unjudged"] == [{"name": "the paper's numbers", "where": "at scale paper"}]


def test_a_supplementary_check_does_not_decide(tmp_path):
    """S2 has the better SA here: of nearly equal curves, that is no matter."""
    claims_world.suites(tmp_path, ["sampling"])
    (path,) = (tmp_path / "plans").glob("*.json")
    text = json.dumps(read_sealed(path))
    for mine, other in (("S1", "S3"), ("S2", "S1"), ("S3", "S2")):
        text = text.replace(f'"OAT on {mine}"', f'"OAT on {other}"')
    write_sealed(path, json.loads(text))
    claim = judged(tmp_path, tmp_path / "out", figure="fig5")[4]
    assert checks(claim)["S1 has the better SA"] == checks(claim)["S2 has the better RA"] == NOT_REPRODUCED
    assert checks(claim)["S1 and S2 are nearly the same"] == claim["verdict"] == REPRODUCED


def test_the_networks_behind_a_claim_are_named(world):
    runs, claims = world
    (plan,) = [plan for plan in read_plans(runs)[0] if plan["suite"] == "frontiers"]
    trials = [t for t in plan["panels"][0]["trials"] if t["label"] in ("OAT (dual BN)", "OAT (normal BN)")]
    assert {network["key"] for network in claims[2]["networks"]} == {trial["key"] for trial in trials}


def test_csv_holds_every_condition(world):
    runs, claims = world
    table = pd.read_csv(runs / "report" / "claims.csv")
    assert set(table.claim) == {*range(1, 22), *OWN}
    assert set(table[table.check == "S1 has the better SA"].decides.astype(str)) == {"False"}
    for (id, name), rows in table[table.claim.isin(claims)].groupby(["claim", "check"]):
        assert set(rows.check_verdict) == {checks(claims[id]).get(name, NOT_JUDGED)}
    rows = table[(table.claim == 1) & (table.check == "RA rises with λ")]
    assert len(rows) == 15 and set(rows.dataset) == {"fashion-mnist-8k"} and (rows.low < rows.high).all()
    line = claims[1]["parts"][0]["checks"][0]["told"][0]
    assert f"{rows.estimate.iloc[0]:+.2f} pp [{rows.low.iloc[0]:+.2f}, {rows.high.iloc[0]:+.2f}]" == line["value"]


def test_no_path_is_in_the_claims(world):
    runs, _ = world
    assert str(runs) not in (runs / "report" / "claims.json").read_text("utf-8")


def test_a_claim_not_run_names_the_command(tmp_path):
    claims_world.suites(tmp_path, ["frontiers"])
    claims = judged(tmp_path, tmp_path / "out")
    assert [claims[id]["verdict"] for id in (1, 2, 3, 14)] == [REPRODUCED] * 4
    assert all(
        claims[id]["verdict"] == NOT_RUN and not claims[id]["parts"]
        for id in (*range(4, 6), *range(7, 14), *range(15, 22))
    )
    run = "python -m bench run suites/{}.yaml --scale laptop{}"
    assert claims[4]["commands"] == [run.format("sampling", " --only sets")]
    assert claims[9]["commands"] == [run.format("ablations", " --only without_zero")]
    assert claims[11]["commands"] == [run.format("saliency", "")]
    assert claims[12]["commands"] == [run.format("attacks", "")]
    assert claims[20]["commands"] == [run.format("extra/peers", " --only trades_svhn --only trades_cifar10")]
    assert claims[21]["commands"] == [run.format("extra/successors", " --only losses_svhn --only losses_cifar10")]


def test_missing_networks_are_named_with_the_command_that_resumes(tmp_path):
    claims_world.suites(tmp_path, ["sampling"])
    (plan,) = read_plans(tmp_path)[0]
    for trial in plan["panels"][0]["trials"]:
        if trial["label"] == "OAT on S2" or trial["lam"] == 0.9:
            shutil.rmtree(tmp_path / "trials" / trial["key"])
    claims = judged(tmp_path, tmp_path / "out", figure="fig5")
    assert claims[4]["verdict"] == NOT_RUN and claims[4]["commands"] == ["python -m bench run suites/sampling.yaml"]
    missing = {check["name"]: check["what"] for check in claims[4]["missing"]}
    assert missing["S1 has the better SA"].startswith("OAT on S2 at λ = 0, 0.1, 0.15")
    assert missing["unseen λ hold against PGD-AT"].startswith("PGD-AT at λ = 0.9; OAT on S2 at λ = 0.15, 0.25")
    assert claims[8]["verdict"] == REPRODUCED


def test_missing_seeds_leave_a_provisional_verdict(tmp_path):
    claims_world.suites(tmp_path, ["frontiers"])
    (plan,) = read_plans(tmp_path)[0]
    gone = [t for t in plan["panels"][0]["trials"] if t["label"] == "OAT (dual BN)" and t["seed"] == 2]
    shutil.rmtree(tmp_path / "trials" / gone[0]["key"])
    (part,) = judged(tmp_path, tmp_path / "out")[1]["parts"]
    assert part["note"] == "moderated t over 2 seeds; provisional: 1 of 24 networks missing"


def test_the_note_names_the_kind_of_one_seeds_intervals_and_the_same_runs_give_the_same_bytes(tmp_path):
    claims_world.suites(tmp_path, ["frontiers", "saliency"], seeds=1)
    claims = judged(tmp_path, tmp_path / "out")
    notes = {id: {part["note"] for part in claims[id]["parts"]} for id in (1, 2, 3, 11)}
    paired = {"one seed: test images only, paired"}
    assert notes == {1: paired, 2: paired, 3: paired, 11: {"one seed: test images only"}}
    assert {claims[id]["verdict"] for id in notes} == {ONE_SEED}
    judged(tmp_path, tmp_path / "again")
    for name in ("claims.json", "claims.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_one_seed_is_judged_by_the_training_variance_of_other_networks_of_its_family(tmp_path):
    """Figure 5's networks have the same data, architecture and budget, and three seeds."""
    claims_world.suites(tmp_path, ["frontiers"], seeds=1)
    claims_world.suites(tmp_path, ["sampling"], seeds=3)
    claim = judged(tmp_path, tmp_path / "out")[1]
    (part,) = claim["parts"]
    assert re.fullmatch(
        r"one seed, training variance of \d+ networks of Fashion-MNIST-8k, WRN-10-1 \(fig5\)", part["note"]
    )
    assert claim["verdict"] == REPRODUCED
    for plan in (tmp_path / "plans").glob("sampling*.json"):  # trained longer: another family
        plan.write_text(plan.read_text().replace('"epochs": 10', '"epochs": 99'))
    assert judged(tmp_path, tmp_path / "out")[1]["verdict"] == ONE_SEED


def test_an_inconclusive_check_says_what_would_settle_it(tmp_path):
    claims_world.suites(tmp_path, ["frontiers"], spread=2.5, seeds=2)
    claims = judged(tmp_path, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "claims.csv")
    open_checks = {check["name"]: check for id in (1, 2, 3) for part in claims[id]["parts"] for check in part["checks"]
                   if check["verdict"] == INCONCLUSIVE}  # fmt: skip
    texts = [check["settle"] for check in open_checks.values()]
    assert texts and any(re.match(r"\d+ seeds would decide with 80 % power: \d+ more, about", text) for text in texts)
    seeds = table[table.check.isin(open_checks)].seeds_to_settle
    assert (seeds.dropna() > 2).all() and not table[table.check_verdict == REPRODUCED].seeds_to_settle.notna().any()
    report_pages.write_pages(tmp_path / "out")
    assert "what would settle it" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_a_changed_setting_is_another_experiment(tmp_path):
    claims_world.suites(tmp_path, ["frontiers"], settings=("film=authors",))
    claims = judged(tmp_path, tmp_path / "out")
    assert claims[1]["verdict"] == NOT_RUN and "--scale laptop" in claims[1]["commands"][0]


def test_the_papers_numbers_are_judged_at_its_scale_on_its_data(tmp_path):
    trials = synthetic.paper(tmp_path / "paper")
    curves = {"OAT (dual BN)": synthetic.DUAL, "OAT (normal BN)": synthetic.NORMAL}
    for dataset, trial in ((name, trial) for name in trials for trial in trials[name]):
        if trial["lam"] is None:  # without the noise
            counts = {lam: (round(100 * sa), round(100 * ra)) for lam, (sa, ra) in curves[trial["label"]].items()}
            synthetic.finish(tmp_path / "paper", [trial], dataset=dataset, n=10_000, counts=counts)
    claims = judged(tmp_path / "paper", tmp_path / "out", "paper")
    assert set(checks(claims[1]).values()) == set(checks(claims[2]).values()) == {REPRODUCED}
    assert checks(claims[1])["the paper's numbers"] == checks(claims[2])["the paper's SA"] == REPRODUCED
    assert {part["on"] for part in claims[3]["parts"]} >= {"CIFAR-10, ResNet-34", "STL-10, WRN-40-2", "SVHN, WRN-16-8"}
    plans = list((tmp_path / "paper" / "plans").glob("*.json"))
    plans[0].write_text(plans[0].read_text().replace('"dataset": "svhn"', '"dataset": "svhn_jpeg"'))
    claims = judged(tmp_path / "paper", tmp_path / "out", "paper")
    assert claims[1]["unjudged"][0]["where"] == "at scale paper with the paper's own data"
    assert "the paper's numbers" not in checks(claims[1])


def test_a_claim_that_fails(tmp_path):
    """Normal BN that does not collapse refutes claim 2 and its numbers at the paper's scale."""
    trials = synthetic.networks("svhn", "wrn-16-8")
    synthetic.write_plan(tmp_path, [synthetic.panel(trials, "svhn", "svhn", "wrn-16-8")], scale="paper")
    synthetic.finish(tmp_path, trials, dataset="svhn", n=10_000)
    for trial in [trial for trial in trials if trial["label"] == "OAT (normal BN)"]:
        as_dual = {**trial, "label": "OAT (dual BN)"}
        synthetic.finish(tmp_path, [as_dual], dataset="svhn", n=10_000)
    claim = judged(tmp_path, tmp_path / "out", "paper")[2]
    assert claim["verdict"] == NOT_REPRODUCED
    assert checks(claim)["RA hardly moves"] == checks(claim)["the paper's RA"] == NOT_REPRODUCED
    assert checks(claim)["SA stays below dual BN's"] == INCONCLUSIVE


def test_nothing_is_written_for_a_figure_without_claims(tmp_path):
    assert judge.write([], tmp_path, tmp_path, {"protocol": "laptop"}) == []


# ---- the page


def test_the_markdown_table_has_a_row_for_each_claim(page):
    text = (page / "README.md").read_text("utf-8")
    start = text.index("| | The paper |")
    lines = text[start : text.index("\n\n", start)].splitlines()
    numbers = [re.match(r"\| (\d*) ?\|", line)[1] for line in lines[2:]]
    assert numbers == [*map(str, range(1, 22)), "", *map(str, OWN)]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}  # no bar within a cell
    assert "20 reproduced, 1 not judged at this scale" in text
    assert "**RA rises with λ: reproduced**" in text and "\n\n\n" not in text


def test_the_html_page_nests_and_links_lead_somewhere(page):
    html_page = Page(page / "index.html")
    html_page.check_links(page)
    anchors = [name for name in html_page.ids if name.startswith("claim")]
    assert anchors == ["claims", *(f"claim-{i}" for i in (*range(1, 22), *OWN))]
    assert re.search(r"20\s*reproduced", html_page.text)


def test_commands_name_the_file_of_a_scale_and_leave_out_extra_suites_that_train_the_same():
    assert list(claim_entries.experiments_of("fig4", "svhn")) == ["frontiers.yaml"]
    assert list(claim_entries.experiments_of("dials", "svhn")) == ["extra/dials.yaml"]
    plans = [
        {"command": f"python -m bench run a.yaml --scale {scale} --seeds 3"} for scale in ("laptop", "my/own.yaml")
    ]
    assert claim_entries.scale_as_given("own", plans) == "my/own.yaml"
    assert claim_entries.scale_as_given("laptop", plans[:1]) == "laptop"
