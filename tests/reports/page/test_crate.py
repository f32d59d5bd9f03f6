"""`report --crate`: the package `rocrate` reads the folder back, with every file's checksum and every verdict."""

import hashlib
import json
import shutil

import pandas as pd
import pytest
from rocrate.rocrate import ROCrate

from reports.build import build
from reports.page.crate import write_crate
from tests.reports import synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    runs = tmp_path_factory.mktemp("crate")
    synthetic.laptop(runs, seeds=(0, 1))
    out, archive = runs / "report", runs / "report" / "results.tar.xz"
    build(["fig4"], runs, out, formats=("png",), archive_file=archive)
    write_crate(out, runs, archive)
    return runs, out


def test_it_lists_every_file_of_the_report_with_its_checksum(folder):
    _, out = folder
    crate = ROCrate(out)
    files = {entity.id: entity for entity in crate.data_entities}
    assert files.keys() == {path.name for path in out.iterdir()} - {"ro-crate-metadata.json"}
    for name, entity in files.items():
        content = (out / name).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest() and entity["contentSize"] == str(len(content))
    assert files["fig4.csv"]["encodingFormat"] == "text/csv" and "Figure 4" in files["fig4.png"]["name"]


def test_verdicts_and_numbers_are_those_of_the_claims(folder):
    _, out = folder
    crate = ROCrate(out)
    reviews = [entity for entity in crate.root_dataset["mentions"] if entity.type == "ClaimReview"]
    claims = json.loads((out / "claims.json").read_text())["claims"]
    assert len(reviews) == len(claims)
    for review, claim in zip(reviews, claims, strict=True):
        assert review["reviewRating"]["alternateName"] == claim["verdict"] and review["claimReviewed"] == claim["claim"]
        assert review["itemReviewed"]["appearance"].id == "https://arxiv.org/abs/2010.11828"
    ratings = {review["reviewRating"]["alternateName"]: review["reviewRating"].get("ratingValue") for review in reviews}
    assert ratings["reproduced"] == 1 and ratings["not run"] is None
    (number, *_) = crate.dereference("#claim-3")["additionalProperty"]
    told = [line for check in claims[2]["parts"][0]["checks"] for line in check["told"]]
    (line,) = [line for line in told if line["what"] == number["name"]]
    assert (number["value"], number["minValue"]) == (line["interval"]["value"], line["interval"]["low"])


def test_every_network_has_its_provenance(folder):
    runs, out = folder
    crate = ROCrate(out)
    actions = {
        entity["identifier"]: entity for entity in crate.root_dataset["mentions"] if entity.type == "CreateAction"
    }
    assert actions.keys() == set(pd.read_csv(out / "fig4.csv").key)
    key, action = next(iter(actions.items()))
    results = json.loads((runs / "trials" / key / "results.json").read_text())
    assert action["endTime"] == results["provenance"]["finished"] and "AMD EPYC" in action["description"]
    assert results["provenance"]["git_commit"].startswith(action["instrument"]["version"])
    assert action["object"]["identifier"] == results["recipe"]["data_hash"]
    assert [file.id for file in action["result"]] == ["fig4.csv"]


def test_the_same_runs_give_the_same_bytes_dated_by_the_last_network(folder):
    runs, out = folder
    path = out / "ro-crate-metadata.json"
    before = path.read_bytes()
    assert write_crate(out, runs, out / "results.tar.xz") == path and path.read_bytes() == before
    assert ROCrate(out).root_dataset["datePublished"] == "2026-11-20"


def test_a_recipe_of_other_types_in_results_from_elsewhere_is_shown_as_it_is(folder, tmp_path):
    runs = shutil.copytree(folder[0], tmp_path / "runs")
    for path in runs.glob("trials/*/results.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"recipe": {"data_hash": 5, "dataset": None}}))
    write_crate(runs / "report", runs)
    crate = ROCrate(runs / "report")
    assert {action["object"]["identifier"] for action in crate.get_by_type("CreateAction")} == {"5"}
