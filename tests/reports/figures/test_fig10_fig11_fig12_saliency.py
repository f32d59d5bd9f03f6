"""Figures 10–12: maps on one scale each, gaps, and the alignment beside them."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from safetensors.numpy import load_file, save_file
from scipy import stats

from reports.build import build
from reports.figures import FIGURES
from reports.figures.fig10_fig11_fig12_saliency import COLUMNS
from reports.load.panels import load_view
from reports.load.plans import read_plans
from reports.plots import saliency_maps, style
from reports.statistics import saliency_alignment
from tests.reports import synthetic_probes
from tests.reports.synthetic import S1

FIG10, ROWS, CHOSEN = FIGURES["fig10"], 12, synthetic_probes.CHOSEN


def view(runs, figure="fig10"):
    return load_view(read_plans(runs)[0], runs, figure, "laptop", FIG10.keep)


def draw(loaded_view):
    with style.paper():
        return FIG10.draw(loaded_view)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def tensors(runs, trial):
    return load_file(next((runs / "trials" / trial["key"]).glob("*.safetensors")))


def test_images_on_top_then_a_block_per_method_with_lambda_and_alignment(tmp_path):
    trials = synthetic_probes.saliency(tmp_path, seeds=(0,))
    images, curves = draw(view(tmp_path)).axes
    assert len(images.images) == CHOSEN * (1 + ROWS)
    shown = texts(images)
    assert shown.index("OAT (dual BN)") < shown.index("PGD-AT")
    assert [text for text in shown if text.startswith("λ")] == 2 * [f"λ = {lam:g}" for lam in S1]
    first = images.images[0]
    pixels = np.asarray(first.get_array())[::12, ::12, 0]  # 8 pixels, 12 times each
    assert np.allclose(pixels, tensors(tmp_path, trials[0])["images"][0, 0] / 255)
    scores = tensors(tmp_path, trials[0])["alignment/0"].astype(float)
    half = stats.t.ppf(0.975, len(scores) - 1) * stats.sem(scores)
    assert f"{scores.mean():.2f} ± {half:.2f}" in shown
    assert [label.get_text() for label in curves.get_xticklabels()] == ["0", "0.1", "0.2", "0.3", "0.4", "1"]
    assert "over the test images" in FIG10.caption(view(tmp_path))


def test_each_map_is_symmetric_about_zero_and_clipped_at_its_own_percentile():
    gradient = np.linspace(-1, 3, 8 * 8).reshape(1, 8, 8) * 1e-6
    scaled = saliency_maps.scaled(gradient)
    limit = np.percentile(np.abs(gradient), 99)
    assert scaled.max() == 1 and scaled.min() == pytest.approx(-1e-6 / limit)
    assert np.array_equal(np.sign(scaled), np.sign(gradient))
    assert np.allclose(saliency_maps.scaled(1e5 * gradient), scaled)
    assert (saliency_maps.scaled(np.zeros((3, 4, 4))) == 0).all()


def test_zero_is_white_for_one_channel_and_middle_grey_for_three():
    grey, three = (saliency_maps.colored(np.array([[[-2.0, 0, 2.0]]] * channels)) for channels in (1, 3))
    assert (grey[0, 1] > 0.95).all() and grey[0, 0, 2] > grey[0, 0, 0] and grey[0, 2, 0] > grey[0, 2, 2]
    assert three[0].tolist() == [[0, 0, 0], [0.5, 0.5, 0.5], [1, 1, 1]]


def test_a_row_without_a_network_is_a_marked_gap(tmp_path):
    synthetic_probes.saliency(tmp_path, channels=3, gone=[("PGD-AT", 0.2, 0), ("PGD-AT", 0.4, 0), ("PGD-AT", 0.4, 1)])
    loaded_view = view(tmp_path)
    images, curves = draw(loaded_view).axes
    assert len(images.images) == CHOSEN * ROWS and len(images.patches) == 1  # seed 1 lacks but λ = 0.4
    shown = texts(images)
    assert shown.count("missing") == 1 and any(text.endswith("(1 of 2)") for text in shown)
    color = to_rgb(style.method("PGD-AT")["color"])
    (line,) = [line for line in curves.lines if line.get_label() == "PGD-AT"]
    assert to_rgb(line.get_color()) == color and np.isnan(line.get_ydata()).tolist() == 4 * [False] + [True, False]
    hollow = [line for line in curves.lines if line.get_label() == "_hollow" and len(line.get_xdata())]
    assert len(hollow) == 1 and hollow[0].get_xdata()[0] == pytest.approx(2, abs=0.1)
    assert "3 of 14 networks missing" in FIG10.caption(loaded_view) and "maps of seed 1" in FIG10.caption(loaded_view)


def damage(path, kind: str, lam: float) -> None:
    content, name = load_file(path), f"map/{lam:g}"
    if kind == "gone":
        path.unlink()
    elif kind in ("short", "empty"):
        path.write_bytes(path.read_bytes()[: 100 * (kind == "short")])
    else:
        changed = {
            "other images": {"images": 255 - content["images"]},
            "not finite": {name: content[name] * np.nan},
            "other shape": {name: content[name][:, :, :5]},
        }[kind]
        save_file(content | changed, path)


def test_a_damaged_file_of_maps_is_a_gap_and_its_alignment_still_counts(tmp_path):
    """Each network of one λ has another damage; the conditional one's maps stay."""
    trials = synthetic_probes.saliency(tmp_path, seeds=(0,))
    kinds = ["gone", "short", "empty", "other images", "not finite", "other shape"]
    for trial, kind in zip([trial for trial in trials if trial["lam"] is not None], kinds, strict=True):
        damage(next((tmp_path / "trials" / trial["key"]).glob("*.safetensors")), kind, trial["lam"])
    loaded_view = view(tmp_path)
    assert (loaded_view.trials.status == "done").all()
    images, _ = draw(loaded_view).axes
    assert texts(images).count("no map of this seed") == len(kinds)
    assert len(images.images) == CHOSEN * (1 + ROWS - len(kinds))
    assert saliency_alignment.table(loaded_view.panels[0]).alignment.notna().all() and FIG10.summary(loaded_view)


def test_no_maps_at_all_still_draw_the_curves(tmp_path):
    for trial in synthetic_probes.saliency(tmp_path, seeds=(0,)):
        shutil.rmtree(tmp_path / "trials" / trial["key"] / "none", ignore_errors=True)
        next((tmp_path / "trials" / trial["key"]).glob("*.safetensors")).unlink()
    images, curves = draw(view(tmp_path)).axes
    assert len(images.images) == 0 and len(images.patches) == ROWS and len(curves.lines) == 2
    assert "no maps could be read" in FIG10.caption(view(tmp_path))
    assert {row["λ=0.1"] for row in FIG10.summary(view(tmp_path))[0]["rows"][2:]} == {"–"}  # nothing per image


def test_nothing_finished(tmp_path):
    gone = [("PGD-AT", lam, 0) for lam in S1] + [("OAT (dual BN)", None, 0)]
    synthetic_probes.saliency(tmp_path, seeds=(0,), gone=gone)
    loaded_view = view(tmp_path)
    (ax,) = draw(loaded_view).axes
    assert "no network has finished" in texts(ax) and "7 of 7 networks missing" in texts(ax)
    assert "7 of 7 networks missing" in FIG10.caption(loaded_view)
    assert FIG10.summary(loaded_view)[0]["rows"][0]["λ=0"] == "–"


def test_differences_pair_the_images_of_one_seed_and_the_seeds_of_several(tmp_path):
    trials = synthetic_probes.saliency(tmp_path / "one", seeds=(0,))
    oat, frontier = tensors(tmp_path / "one", trials[-1]), tensors(tmp_path / "one", trials[1])
    gaps = oat["alignment/0.1"].astype(float) - frontier["alignment/0.1"]
    asked = ("OAT (dual BN)", 0.1), ("PGD-AT", 0.1)
    half = stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps)
    difference = saliency_alignment.difference(view(tmp_path / "one").panels[0], *asked)
    assert difference == (pytest.approx(gaps.mean()), pytest.approx(half), "images")

    synthetic_probes.saliency(tmp_path / "three", seeds=(0, 1, 2))
    panel = view(tmp_path / "three").panels[0]
    rows = (
        saliency_alignment.measured_rows(panel)
        .query("lam == 0.1")
        .pivot(index="seed", columns="label", values="alignment")
    )
    gaps = rows["OAT (dual BN)"] - rows["PGD-AT"]
    half = stats.t.ppf(0.975, 2) * stats.sem(gaps)
    assert saliency_alignment.difference(panel, *asked) == (pytest.approx(gaps.mean()), pytest.approx(half), "seeds")
    last = FIG10.summary(view(tmp_path / "three"))[0]["rows"][-1]
    assert last["Alignment"] == "OAT (dual BN) − PGD-AT" and last["λ=0.1"] == f"{gaps.mean():+.2f} ± {half:.2f}"


def test_the_change_from_the_first_lambda_to_the_last_is_paired_too(tmp_path):
    trials = synthetic_probes.saliency(tmp_path, seeds=(0,))
    oat = tensors(tmp_path, trials[-1])
    gaps = oat["alignment/1"].astype(float) - oat["alignment/0"]
    half = stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps)
    assert FIG10.summary(view(tmp_path))[0]["rows"][0]["λ=1 − λ=0"] == f"{gaps.mean():+.2f} ± {half:.2f}"


def test_summary_says_whether_alignment_rises(tmp_path):
    trials = synthetic_probes.saliency(tmp_path, seeds=(0,))
    assert [row["rises with λ"] for row in FIG10.summary(view(tmp_path))[0]["rows"][:2]] == ["yes", "yes"]
    path = tmp_path / "trials" / trials[-1]["key"] / "results.json"
    content = json.loads(path.read_text())
    next(iter(content["measurements"].values()))["rows"][-1]["alignment"] = 0.4
    path.write_text(json.dumps(content))
    assert FIG10.summary(view(tmp_path))[0]["rows"][0]["rises with λ"] == "no"


def test_files_of_figures_10_to_12(tmp_path, no_claims):
    trials = synthetic_probes.saliency(tmp_path, seeds=(0,), figure="fig12")
    build(["fig12"], tmp_path, tmp_path / "a")
    build(["fig12"], tmp_path, tmp_path / "b", formats=("svg",))  # test_build.py repeats the other formats
    for name in ("fig12.svg", "fig12.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    table = pd.read_csv(tmp_path / "a" / "fig12.csv")
    assert list(table.columns) == COLUMNS and len(table) == ROWS
    assert set(table.key) == {trial["key"] for trial in trials}
    titles = [FIGURES[f"fig{n}"].title for n in (10, 11, 12)]
    assert all(name in title for name, title in zip(("SVHN", "CIFAR-10", "STL-10"), titles, strict=True))
