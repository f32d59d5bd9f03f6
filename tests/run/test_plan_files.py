"""Plan files, and the MLflow tags derived from them."""

import pytest

from bench import ROOT
from bench.run.plan_files import read_plans, write_plan
from bench.spec.expand import Options, plan
from bench.tracking.run_tags import tags_by_key
from tests.data.image_files import random_images, write_folder


def test_a_plan_s_networks_are_tagged_with_the_suites_and_figures_that_use_them(tmp_path):
    frontiers = plan(ROOT / "suites" / "frontiers.yaml", "smoke", Options(seeds=1))
    write_plan(frontiers, tmp_path, "the command")
    tags = tags_by_key(read_plans(tmp_path))
    assert tags.keys() == {trial.key for trial in frontiers.trials} and len(tags) == 8
    expected = {"suite": "frontiers", "figure": "fig4 fig8", "scale": "smoke", "protocol": "paper"}
    expected["mlflow.source.name"] = "suites/frontiers.yaml"
    assert all(expected.items() <= trial_tags.items() for trial_tags in tags.values())


def test_the_source_is_the_suite_file_that_the_command_names(tmp_path):
    peers = plan(ROOT / "suites" / "extra" / "peers.yaml", "smoke", Options(seeds=1))
    write_plan(peers, tmp_path, "python -m bench run suites/extra/peers.yaml --seeds 1")
    tags = tags_by_key(read_plans(tmp_path))
    assert {trial_tags["mlflow.source.name"] for trial_tags in tags.values()} == {"suites/extra/peers.yaml"}


def test_a_panel_says_whether_the_images_are_the_users(tmp_path):
    write_folder(tmp_path / "pets", {"cat": random_images(10), "dog": random_images(10, seed=1)})
    sources = {"svhn": str(tmp_path / "pets"), "cifar10": "digits"}
    frontiers = plan(ROOT / "suites" / "frontiers.yaml", "laptop", Options(datasets=sources, seeds=1, root=tmp_path))
    write_plan(frontiers, tmp_path, "the command")
    (stored,) = read_plans(tmp_path)
    owns = {panel["dataset"]: panel["own"] for panel in stored["panels"]}
    assert owns == {"pets": True, "digits": False, "fashion-mnist-8k": False}


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00"])
def test_a_damaged_plan_is_ignored(tmp_path, content):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "damaged.json").write_text(content)
    assert read_plans(tmp_path) == []
