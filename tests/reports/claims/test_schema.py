"""claims.yaml has every claim of the paper with its numbers, and a mistake in it is an error with its line."""

import functools
import re
from pathlib import Path

import pytest
import yaml

from bench.errors import BadInput
from bench.spec.scale import SCALES
from bench.spec.suite import suite_paths
from reports.claims import judge, schema
from reports.figures import FIGURES

NUMBERS = {  # of the paper's text, by claim
    1: "94.43 62.16 97.07 37.32",
    2: "61.81 62.62 94",
    3: "0.3 0.4",
    5: "0.67 1.34",
    6: "1.18 1.16 1.7",
    7: "92.53 93.16 93.68",
    8: "0.2 10",
    9: "0.5 91.5 93.1",
    17: "10",
    19: "0.25",
}


def test_all_claims_are_there_with_the_papers_numbers():
    claims = {claim.id: claim for claim in judge.all_claims()}
    assert list(claims) == list(range(1, 22))
    for id, numbers in NUMBERS.items():
        shown = re.findall(r"\d+(?:\.\d+)?", claims[id].claim + " " + claims[id].paper)
        assert set(numbers.split()) <= set(shown), id


def test_numbers_are_judged_only_where_nothing_of_the_papers_setting_was_changed():
    known = {path.stem for path in SCALES.glob("*.yaml")}
    for claim in judge.all_claims():
        for check in claim.checks:
            assert set(check.scales) <= known
            if check.predicate in ("values", "within_range", "cost") or getattr(check.args, "equals", None):
                assert "paper" in check.scales and not {"laptop", "workstation"} & set(check.scales), check.name


def test_every_check_has_a_suite_that_measures_it():
    """An experiment of each check's figure and data set exists and measures its probe and attack."""
    for claim in judge.all_claims():
        for check in claim.checks:
            for dataset, figure in check.figure.items():
                assert figure in FIGURES
                experiments = experiments_of(figure, dataset)
                assert experiments, (claim.id, figure, dataset)
                probes = {m.get("probe", "accuracy") for experiment in experiments for m in experiment["measure"]}
                assert check.probe in probes
                attacks = {m.get("attack") for experiment in experiments for m in experiment["measure"]}
                assert getattr(check.args, "attack", "pgd7") in attacks or check.probe != "accuracy"


def experiments_of(figure: str, dataset: str) -> list[dict]:
    return [e for e in all_experiments() if figure in e["figures"] and e["dataset"] == dataset]


@functools.cache
def all_experiments() -> list[dict]:
    suites = [yaml.safe_load(path.read_text("utf-8")) for path in suite_paths()]
    return [experiment for suite in suites for experiment in suite["experiments"].values()]


GOOD = """\
claims:
  - id: 1
    claim: One network
    paper: "SVHN: 94.43"
    source: Sec. 4.2
    checks:
      - name: rises
        asks: RA rises.
        figure: {svhn: fig4}
        predicate: monotone
        args: {label: OAT, metric: ra, direction: rises, lambdas: S1, least: 5, slack: 0.2}
"""


def loaded(tmp_path: Path, text: str):
    path = tmp_path / "claims.yaml"
    path.write_text(text, "utf-8")
    return schema.load(path, ["fig4", "fig5"])


def test_a_good_file_is_read(tmp_path):
    (claim,) = loaded(tmp_path, GOOD)
    (check,) = claim.checks
    assert check.scales == () and check.probe == "accuracy"
    assert check.args.lambdas == [0, 0.1, 0.2, 0.3, 0.4, 1]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("predicate: monotone", "predicate: monotonous", 10, "unknown predicate 'monotonous', did you mean 'monotone'"),
        ("svhn: fig4", "svhn: fig44", 9, "unknown figure 'fig44', did you mean 'fig4'"),
        ("svhn: fig4", "svnh: fig4", 9, "unknown data set 'svnh', did you mean 'svhn'"),
        ("slack: 0.2", "slak: 0.2", 11, "unknown field 'slak', did you mean 'slack'"),
        ("slack: 0.2", "slack: -1", 11, "slack: Input should be greater than or equal to 0"),
        ("lambdas: S1", "lambdas: S7", 11, "unknown λ set 'S7'"),
        ("lambdas: S1", "lambdas: [0, 2]", 11, "less than or equal to 1"),
        ("metric: ra", "metric: rra", 11, "unknown value for metric: 'rra', did you mean 'ra'"),
        ("direction: rises, ", "", 11, "field 'direction' is missing"),
        ("    source: Sec. 4.2\n", "", 2, "field 'claims.0.source' is missing"),
        ("    paper:", "    papper:", 4, "unknown field 'papper', did you mean 'paper'"),
        ("least: 5", "least: .nan", 11, "least: Input should be a finite number"),
        ("name: rises", "name: ''", 7, "at least 1 character"),
    ],
)
def test_a_mistake_is_reported_with_its_line(tmp_path, old, new, line, message):
    assert old in GOOD
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        loaded(tmp_path, GOOD.replace(old, new))
    assert f"claims.yaml:{line}: " in str(error.value)


def test_ids_are_unique(tmp_path):
    twice = GOOD + GOOD.partition("claims:\n")[2]
    with pytest.raises(BadInput, match="claims.yaml:12: there are two claims with id 1"):
        loaded(tmp_path, twice)


def test_within_and_least_exclude_each_other(tmp_path):
    text = GOOD[: GOOD.index("predicate:")]
    text += "predicate: compared\n        args: {label: A, of: B, lambdas: S1, least: {sa: 0}, within: {sa: 1}}\n"
    with pytest.raises(BadInput, match="claims.yaml:11: give `within`"):
        loaded(tmp_path, text)
    with pytest.raises(BadInput, match="sa, ra, or both are expected"):
        loaded(tmp_path, text.replace("least: {sa: 0}, within: {sa: 1}", "least: {}"))
