"""The command line: plans, and one-line errors with exit code 2."""

import json
from collections import Counter

import pytest

from tests.command import FRONTIERS, bench


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> dict:
    """`plan --json` of Figures 4 and 8 at the paper's scale."""
    runs = tmp_path_factory.mktemp("paper")
    done = bench("plan", FRONTIERS, "--scale", "paper", "--seeds", 1, "--json", "--runs", runs)
    assert done.returncode == 0, done.stderr
    assert not (runs / "trials").exists()  # nothing was started
    return json.loads(done.stdout)  # stdout is one JSON object and nothing else


def test_the_paper_s_plan_is_24_networks_at_three_learning_rates(paper):
    plan, trials = paper, paper["trials"]
    assert len({trial["key"] for trial in trials}) == len(trials) == 72
    kinds = Counter((t["method"], t["norm"], t["lr"]) for t in trials)
    for lr in (0.1, 0.05, 0.01):
        assert kinds["pgd_at", "normal", lr] == 18
        assert kinds["oat", "normal", lr] == kinds["oat", "dual", lr] == 3
    assert {(t["dataset"], t["arch"]) for t in trials} == {
        ("svhn", "wrn-16-8"),
        ("cifar10", "resnet34"),
        ("stl10", "wrn-40-2"),
    }
    assert plan["cost"]["wall_hours_left"] > 24  # more than a laptop can do
    assert not any(trial["cached"] for trial in trials)


def test_the_paper_s_multiply_accumulates(paper):
    """facts.md, part 6: one seed and learning rate of the whole paper are about 1.6e19 FLOP, most of them Fig. 4's."""
    flop = 2 * paper["cost"]["macs"] / 3
    assert 0.4e19 < flop < 1.6e19


BAD = {
    "unknown experiment": ((FRONTIERS, "--only", "cifar"), "did you mean 'cifar10'"),
    "unknown scale": ((FRONTIERS, "--scale", "labtop"), "did you mean 'laptop'"),
    "unknown field": ((FRONTIERS, "--set", "epoch=3"), "did you mean 'epochs'"),
    "wrong value": ((FRONTIERS, "--set", "epochs=many"), "epochs"),
    "no value": ((FRONTIERS, "--set", "epochs"), "field=value"),
    "unknown data set": ((FRONTIERS, "--dataset", "cifar=digits"), "did you mean 'cifar10'"),
    "absent path": ((FRONTIERS, "--dataset", "cifar10=/nowhere"), "/nowhere"),
    "absent suite": (("suites/frontier.yaml",), "suites/frontier.yaml"),
    "absent archive": ((FRONTIERS, "--dataset", "cifar10", "--only", "cifar10"), "bench data fetch cifar10"),
}


@pytest.mark.parametrize("arguments,expected", BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_2(arguments, expected, tmp_path):
    done = bench("run", *arguments, "--runs", tmp_path / "runs", "--data", tmp_path / "data")
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


def test_a_suite_s_error_names_file_and_line(tmp_path):
    suite = tmp_path / "mine.yaml"
    text = "suite: mine\nabout: x\nexperiments:\n  a:\n    figures: [fig4]\n    dataset: cifar10\n    networks:\n"
    suite.write_text(text + "      - {method: oat, nrm: dual}\n    measure: [{attack: pgd7}]\n")
    done = bench("plan", suite)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{suite}:8: unknown field 'nrm', did you mean 'norm'?")


def test_too_few_images_are_reported_before_training(tmp_path):
    done = bench("plan", FRONTIERS, "--scale", "smoke", "--set", "heldout=5000", "--runs", tmp_path)
    assert done.returncode == 2 and "--set heldout=5000: 5000 held-out images" in done.stderr


def test_an_error_of_the_file_system_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = bench("run", FRONTIERS, "--runs", tmp_path / "file")
    assert done.returncode == 2 and "Traceback" not in done.stderr and str(tmp_path / "file") in done.stderr


def test_ui_points_to_the_tracking_server_of_the_environment(tmp_path):
    done = bench("ui", "--runs", tmp_path, MLFLOW_TRACKING_URI="http://tracking:5000")
    assert done.returncode == 2 and "the runs are at http://tracking:5000" in done.stderr


def test_an_address_without_a_cluster_is_one_line(tmp_path):
    done = bench("run", FRONTIERS, "--scale", "smoke", "--seeds", 1, "--runs", tmp_path, "--address", "127.0.0.1:9")
    assert done.returncode == 2 and "no Ray cluster answers there" in done.stderr.splitlines()[-1]


def test_verbs_on_an_empty_directory_say_what_to_do_first(tmp_path):
    for arguments in (("status",), ("report", "fig4"), ("ui",), ("ingest",)):
        done = bench(*arguments, "--runs", tmp_path / "none")
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, (arguments, done.stderr)


def test_data_list_names_the_command_that_fetches(tmp_path):
    done = bench("data", "list", "--data", tmp_path)
    assert done.returncode == 0
    assert "python -m bench data fetch svhn" in done.stdout and "digits" in done.stdout


def test_fetch_refuses_an_unknown_name(tmp_path):
    done = bench("data", "fetch", "cifar", "--data", tmp_path)
    assert done.returncode == 2 and "did you mean 'cifar10'" in done.stderr
