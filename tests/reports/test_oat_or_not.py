"""The page "Is OAT better than two networks mixed?": from a report's files alone, and as committed."""

import json
import re
import sys

import pandas as pd
import pytest

from reports import oat_or_not
from reports.claims import judge
from tests.command import ROOT

OAT = "OAT (dual BN)"
DIALS = ("mixed probabilities", "mixed logits", "MixedNUTS")
COST = {"networks": "2", "training, MACs": "1e+12", "weights in memory, kB": "2,000"}
COST |= {"a pass of one image, MACs": "4e+06"}
ANSWERS = {"reproduced": "Yes", "not reproduced": "No", "inconclusive": "Undecided"}
ANSWERS |= {"inconclusive (one seed)": "Undecided"}


def claim(id: int, verdicts: dict[str, str]) -> dict:
    checks = []
    for number, (name, verdict) in enumerate(verdicts.items()):
        told = [{"what": name, "asked": "≥ 0", "value": f"+{number}.50 pp [+0.10, +0.90]", "verdict": verdict}]
        checks.append({"name": name, "verdict": verdict, "decides": True, "settle": "", "told": told})
    part = {"on": "CIFAR-10-JPEG, WRN-10-1, in place of CIFAR-10", "note": "t over 3 seeds", "checks": checks}
    return {"id": id, "parts": [part]}


def points(methods: dict[str, list[tuple]], attack: str) -> pd.DataFrame:
    where = {"dataset": "cifar10_jpeg", "arch": "wrn-10-1", "scale": "mine", "attack": attack, "n": 1000}
    where |= {"epsilon": 8 / 255}
    rows = [
        where | {"method": method, "seed": seed, "lambda": i, "sa": sa, "ra": ra}
        for method, curve in methods.items()
        for seed in range(3)
        for i, (sa, ra) in enumerate(curve)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Run the command on a report in which OAT has more RA up to SA 72 and the dials alone reach SA 73 and 74."""
    folder = tmp_path / "results"
    folder.mkdir()
    curves = {OAT: [(70.0, 50.0), (72.0, 45.0)]} | {dial: [(70.0, 40.0), (74.0, 30.0)] for dial in DIALS}
    points(curves, "pgd7").to_csv(folder / "dials.csv", index=False)
    points(curves, "autoattack").to_csv(folder / "dials-autoattack.csv", index=False)
    costs = [{"Method": label, **COST} for label in (*DIALS, OAT, "PGD-AT")]
    costs[3] |= {"networks": "1", "training, MACs": "5e+11", "a pass of one image, MACs": "3e+06"}
    heading = "CIFAR-10-JPEG, WRN-10-1: what each costs"
    (folder / "dials.json").write_text(json.dumps({"summary": [{"heading": heading, "rows": costs}]}), "utf-8")

    def run(*claims: dict, check: bool = False) -> str:
        (folder / "claims.json").write_text(json.dumps({"own_claims": claims}), "utf-8")
        arguments = ["--results", str(folder), "--page", str(tmp_path / "page.md"), *["--check"] * check]
        monkeypatch.setattr(sys, "argv", ["oat_or_not", *arguments])
        oat_or_not.main()
        return (tmp_path / "page.md").read_text("utf-8")

    return run


@pytest.mark.parametrize("verdict", ANSWERS)
def test_the_first_sentence_is_the_answer_with_its_interval(written, verdict):
    verdicts = dict.fromkeys(DIALS, "reproduced") | {"MixedNUTS": verdict}
    lines = written(claim(101, verdicts)).splitlines()
    assert lines[1] == "# Is OAT better than two networks mixed?"
    assert lines[2].startswith(f"**{ANSWERS[verdict]}** on CIFAR-10-JPEG, WRN-10-1: ")
    decided = ("mixed probabilities", "+0.50") if verdict == "reproduced" else ("MixedNUTS", "+2.50")
    assert f"{OAT} − {decided[0]} is {decided[1]} pp [+0.10, +0.90]" in lines[2]
    assert lines[2].endswith("(t over 3 seeds).")
    told = oat_or_not.TOLD[ANSWERS[verdict]]
    assert f"On CIFAR-10-JPEG, WRN-10-1 {told}; AutoAttack was not run." in lines[4]
    assert sum(sentence in lines[4] for sentence in oat_or_not.TOLD.values()) == 1
    costs = "0.50 times the MACs of training, 1.00 times the memory for weights, and 0.75 times the MACs of a pass"
    assert f"OAT takes {costs} of the two networks." in lines[4]


def test_a_row_per_dial_says_where_it_lies_and_what_it_costs(written):
    verdicts = dict(zip(DIALS, ("reproduced", "not reproduced", "inconclusive"), strict=True))
    page = written(claim(101, verdicts), claim(103, {"dual BN without FiLM": "inconclusive"}))
    assert "| mixed probabilities | +0.50 pp [+0.10, +0.90] | ahead | 70–72 | 73–74 | 3 |" in page
    assert "| mixed logits | +1.50 pp [+0.10, +0.90] | behind | 70–72 | 73–74 | 3 |" in page
    assert "| interpolated BN | +0.50 pp [+0.10, +0.90] | undecided | – | – | 3 |" in page  # a curve without points
    assert f"| {OAT} | 1 | 5e+11 | 2,000 | 3e+06 |" in page and "| PGD-AT |" not in page
    assert "PGD-7, ε = 8/255, 1,000 test images, scale `mine` ([figure](results/README.md#dials))" in page
    assert "Not run: `python -m bench run suites/extra/modern.yaml" in page and "#dials-autoattack" not in page
    for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_autoattack_has_a_table_and_a_sentence_of_its_own(written):
    mixed = claim(101, dict.fromkeys(DIALS, "reproduced"))
    page = written(mixed, claim(105, {"mixed probabilities under AutoAttack": "not reproduced"}))
    assert "under AutoAttack OAT is behind mixed probabilities" in page and "Not run" not in page
    after = page.partition("### Under AutoAttack")[2]
    assert "AutoAttack, ε = 8/255" in after
    assert "| mixed probabilities | +0.50 pp [+0.10, +0.90] | behind | 70–72 |" in after


def test_check_writes_nothing_and_tells_of_another_page(written, tmp_path):
    text = written(claim(101, dict.fromkeys(DIALS, "reproduced")))
    assert written(claim(101, dict.fromkeys(DIALS, "reproduced")), check=True) == text
    with pytest.raises(SystemExit, match=r"run python -m reports\.oat_or_not"):
        written(claim(101, dict.fromkeys(DIALS, "inconclusive")), check=True)
    assert (tmp_path / "page.md").read_text("utf-8") == text


@pytest.mark.parametrize(
    ("claims", "message"),
    [([], "no claim 101 in"), ([claim(101, {"a former check": "reproduced"})], "claim 101 is not today's")],
)
def test_results_without_the_claim_are_one_line(written, capsys, claims, message):
    with pytest.raises(SystemExit) as error:
        written(*claims)
    assert error.value.code == 2 and message in capsys.readouterr().err


def test_its_claims_compare_hypervolumes():
    checks = {claim.id: claim.checks for claim in judge.own_claims()}
    for id in (oat_or_not.MIXED, oat_or_not.ATTACKED):
        assert {check.predicate for check in checks[id]} == {"larger_hypervolume"}
    assert {check.args.frontier for check in checks[101]} == set(DIALS)


def test_the_committed_page_is_what_the_committed_results_say(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["oat_or_not", "--check"])
    oat_or_not.main()
    assert oat_or_not.RESULTS == ROOT / "docs" / "results"
