"""Figure 2: clouds, isolation, caption and files."""

import json

import numpy as np
import pandas as pd
import pytest

from reports.build import build
from reports.figures import FIGURES
from reports.figures.fig2_bn_statistics import COLUMNS
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.load.trials import read_trial
from reports.plots import style
from reports.plots.bn_clouds import colors
from reports.statistics import bn_clouds, cloud_distances
from tests.reports import synthetic_probes

FIG2 = FIGURES["fig2"]


def view(runs):
    return load_view(read_plans(runs)[0], runs, "fig2", "laptop", FIG2.keep)


def draw(loaded_view):
    with style.paper():
        return FIG2.draw(loaded_view)


def test_a_point_per_channel_in_its_lambdas_colour_of_one_seed(tmp_path):
    trials = synthetic_probes.bn(tmp_path, channels=20)
    (ax,) = draw(view(tmp_path)).axes
    (dots,) = (artist for artist in ax.collections if artist.get_label() == "_channels")
    assert len(dots.get_offsets()) == 6 * 20
    row = read_trial(tmp_path, next(t for t in trials if t["lam"] == 0 and t["seed"] == 0))[1][0]
    black = dots.get_offsets()[(dots.get_facecolors()[:, :3] == 0).all(axis=1)]
    expected = np.stack([row["mean"], row["var"]], axis=1)
    assert np.allclose(sorted(map(tuple, black)), sorted(map(tuple, expected)))
    medians = [line for line in ax.lines if line.get_label() == "_median"]
    assert medians[0].get_xdata()[0] == pytest.approx(np.median(row["mean"]))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "0.1", "0.2", "0.3", "0.4", "1"]


def test_colours_differ_also_in_lightness():
    inks = [np.array(ink[:3]) @ [0.2126, 0.7152, 0.0722] for ink in colors([0, 0.1, 0.2, 0.3, 0.4, 1]).values()]
    assert (np.diff(inks) > 0.04).all() and inks[0] == 0 and inks[-1] < 0.8


def test_the_numbers_beside_it_are_over_all_seeds_and_of_both_ends(tmp_path):
    synthetic_probes.bn(tmp_path, shift=4.0)
    panel = view(tmp_path).panels[0]
    isolations = bn_clouds.isolations(panel)
    drawn = "mean and variance"
    assert isolations[drawn, 0.0]["ratio"] > 2 > isolations[drawn, 1.0]["ratio"]
    table = bn_clouds.networks(panel)
    points = [np.stack([row.mean, row.var], axis=1) for row in table.itertuples()]
    seeds = cloud_distances.standardised([points[:6], points[6:]])
    ratios = [cloud_distances.isolation(cloud_distances.distances(clouds))["ratio"] for clouds in seeds]
    assert isolations[drawn, 0.0]["ratio"] == pytest.approx(np.sqrt(ratios[0] * ratios[1]))
    rows = FIG2.summary(view(tmp_path))[0]["rows"]
    assert len(rows) == 4 and rows[0]["ratio"].startswith(f"{isolations[drawn, 0.0]['ratio']:.2f}\u00a0[")
    text = FIG2.caption(view(tmp_path))
    assert rows[0]["ratio"] in text and rows[1]["ratio"] in text and "over seeds" in text
    assert "seed 0 of 2" in text and "64 channels of blocks.2.norm2" in text


def test_the_second_measure_does_not_see_a_rescaled_layer(tmp_path):
    """Scaling the weights before a BN by c scales means by c and variances by c², and keeps the outputs."""
    trials = synthetic_probes.bn(tmp_path, seeds=(0,))
    before = bn_clouds.isolations(view(tmp_path).panels[0])
    path = tmp_path / "trials" / trials[0]["key"] / "results.json"
    content = json.loads(path.read_text())
    (row,) = next(iter(content["measurements"].values()))["rows"]
    row |= {"mean": [3 * value for value in row["mean"]], "var": [9 * value for value in row["var"]]}
    path.write_text(json.dumps(content))
    after = bn_clouds.isolations(view(tmp_path).panels[0])
    free, drawn = list(bn_clouds.MEASURES)[1], list(bn_clouds.MEASURES)[0]
    assert after[free, 0.0]["ratio"] == pytest.approx(before[free, 0.0]["ratio"], rel=1e-3)
    assert after[drawn, 0.0]["ratio"] > 1.2 * before[drawn, 0.0]["ratio"]


def test_one_seed_takes_the_jackknife_and_says_so(tmp_path):
    synthetic_probes.bn(tmp_path, seeds=(3,))
    loaded_view = view(tmp_path)
    assert "over channels" in FIG2.caption(loaded_view) and "seed 3;" in FIG2.caption(loaded_view)
    row = FIG2.summary(loaded_view)[0]["rows"][0]
    assert row["Same λ, two seeds"] == "–" and "[" in row["ratio"]


def test_a_gap_is_marked_and_the_fullest_seed_drawn(tmp_path):
    synthetic_probes.bn(tmp_path, gone=((0.2, 0), (0.2, 1), (0.3, 0)))
    loaded_view = view(tmp_path)
    (ax,) = draw(loaded_view).axes
    assert "0.2 (missing)" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert "3 of 12 networks missing" in [text.get_text() for text in ax.texts]
    assert bn_clouds.fullest_seeds(bn_clouds.networks(loaded_view.panels[0])) == [1]
    assert "3 of 12 networks missing." in FIG2.caption(loaded_view) and "seed 1 of 2" in FIG2.caption(loaded_view)


@pytest.mark.parametrize("finished", [(), (0.0,), (0.0, 1.0), (0.1, 0.2, 0.3)])
def test_too_little_for_a_number_is_still_drawn(tmp_path, finished):
    gone = [(lam, seed) for lam in synthetic_probes.S1 for seed in (0, 1) if lam not in finished]
    synthetic_probes.bn(tmp_path, gone=gone)
    loaded_view = view(tmp_path)
    (ax,) = draw(loaded_view).axes
    clouds_drawn = [artist for artist in ax.collections if artist.get_label() == "_channels"]
    assert len(clouds_drawn) == bool(finished) and bn_clouds.isolations(loaded_view.panels[0]) == {}
    assert FIG2.summary(loaded_view)[0]["rows"] == [] and "networks missing" in FIG2.caption(loaded_view)
    if not finished:
        assert "no network has finished" in [text.get_text() for text in ax.texts]


def test_files_hold_every_channel_and_repeat_byte_by_byte(tmp_path, no_claims):
    trials = synthetic_probes.bn(tmp_path, channels=10)
    first, second = (build(["fig2"], tmp_path, tmp_path / name, formats=("png", "svg")) for name in ("a", "b"))
    assert all(path.read_bytes() == other.read_bytes() for path, other in zip(first, second, strict=True))
    table = pd.read_csv(tmp_path / "a" / "fig2.csv")
    assert list(table.columns) == COLUMNS and len(table) == 12 * 10 and set(table.key) == {t["key"] for t in trials}
    page = json.loads((tmp_path / "a" / "fig2.json").read_text("utf-8"))
    assert page["curves"] == [] and len(page["summary"][0]["rows"]) == 4
    assert "SA / RA" not in (tmp_path / "a" / "README.md").read_text("utf-8")
