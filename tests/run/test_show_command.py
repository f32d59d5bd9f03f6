"""`bench show` on a trial that was really run."""

import json

import torch

from bench.run.trial import run_trial
from bench.spec.measurement import Measurement
from bench.spec.trial import Trial
from tests.command import bench
from tests.recipes import oat


def run_small_trial(runs, tmp_path, **fields):
    """(recipe, directory) of a trial run for one epoch, with accuracy and BN statistics."""
    recipe = oat(**({"epochs": 1} | fields))
    accuracy = {"epsilon": 0.1, "step": 0.025, "lambdas": (0.0, 1.0), "test_images": 20}
    measurements = (Measurement(**accuracy), Measurement(probe="bn_statistics"))
    trial = Trial(recipe=recipe, measurements=measurements, source="digits")
    directory = runs / "trials" / recipe.key
    list(run_trial(trial, directory, tmp_path, torch.device("cpu"), {"git_commit": "c" * 40, "git_dirty": True}))
    return recipe, directory


def test_recipe_commit_selection_and_counts_are_printed(tmp_path):
    runs = tmp_path / "runs"
    recipe, directory = run_small_trial(runs, tmp_path, seed=3)
    done = bench("show", recipe.key[:6], "--runs", runs, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    row = next(iter(json.loads((directory / "results.json").read_text())["measurements"].values()))["rows"][1]
    assert recipe.key in text and "seed=3" in text and "encoding=ro-16" in text
    assert "c" * 40 + " (with uncommitted changes)" in text
    assert "1/1 epochs" in text and "epoch 1, score" in text
    assert f"{row['clean_correct']}" in text and f"{100 * row['robust_correct'] / row['n']:.2f}" in text
    results = json.loads((directory / "results.json").read_text())
    assert recipe.data_hash in text and f"{results['macs']['forward']:,} MACs" in text
    assert row["clean_hits"] not in text
    assert "64 values" in text  # BN statistics are shown by their number


def test_an_unknown_or_ambiguous_key_is_one_line(tmp_path):
    for name in ("abcd0000", "abcd1111"):
        (tmp_path / "trials" / name).mkdir(parents=True)
    for key, expected in (("ab", "at least 4"), ("abcd", "give more digits"), ("ffff", "none of the 2 keys")):
        done = bench("show", key, "--runs", tmp_path)
        assert done.returncode == 2 and expected in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_damaged_recipe_is_one_line(tmp_path):
    (tmp_path / "trials" / "abcd0000").mkdir(parents=True)
    (tmp_path / "trials" / "abcd0000" / "recipe.json").write_text("{")
    done = bench("show", "abcd", "--runs", tmp_path)
    assert done.returncode == 2 and "recipe.json" in done.stderr and "Traceback" not in done.stderr
